//! Runs and their answers: stops, slow stores, contexts, retries.

mod again;
mod ends;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nexus_core::auth::SigningKey;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::provider::{Provider, Request, chunk, end};
use crate::http::{self, SOON, finished};
use crate::mongod::ReplicaSet;
use crate::program::{Home, Server};

/// Longer than a message waits for a store before it is offered again.
const PATIENCE: Duration = Duration::from_mins(1);

/// A template whose only model is asked at `base_url`.
fn template(base_url: &str) -> Value {
    json!({
        "llm": {
            "providers": {"lab": {"base_url": base_url}},
            "catalog": {"lab": {"provider": "lab", "id": "lab-1"}},
        },
        "user_defaults": {
            "config": {"model": "lab", "temperature": 0.5},
            "prompts": {"persona": {"content": "Be kind.", "editable": true, "order": 1}},
        },
        "ui": {"editable_fields": ["config.temperature", "prompts.persona"]},
    })
}

fn home(settings: &str, base_url: &str) -> Home {
    let home = Home::new();
    home.write(
        "nexus.yml",
        &format!("{settings}private_hosts: [127.0.0.1]\n"),
    );
    home.write("template.json", &template(base_url).to_string());
    home
}

/// A provider that says `Half` and then waits for a word of the test to say the rest.
struct Slow {
    provider: Provider,
    /// One for each answer that has begun.
    began: Mutex<Receiver<()>>,
    goes_on: Sender<()>,
}

impl Slow {
    fn start() -> Self {
        let (tell, began) = channel();
        let (goes_on, go_on) = channel();
        let (tell, go_on) = (Mutex::new(tell), Mutex::new(go_on));
        let provider = Provider::start(move |request: Request| {
            use std::io::Write as _;
            if request.line.starts_with("GET") {
                return request.json(200, &json!({"object": "list", "data": []}));
            }
            let mut stream = request.event_stream()?;
            write!(stream, "{}", chunk("Half"))?;
            tell.lock().unwrap().send(()).unwrap();
            if go_on.lock().unwrap().recv().is_ok() {
                let usage = json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10});
                write!(stream, "{}{}", chunk(" and half."), end(Some(&usage)))?;
            }
            Ok(())
        });
        Self {
            provider,
            began: Mutex::new(began),
            goes_on,
        }
    }

    /// Waits until an answer has begun.
    fn began(&self) {
        let began = self.began.lock().unwrap();
        began.recv_timeout(Duration::from_secs(30)).unwrap();
    }

    fn goes_on(&self) {
        self.goes_on.send(()).unwrap();
    }
}

/// Asks, and reads up to the first word of the answer.
fn begin(server: &Server, token: &str, slow: &Slow) -> (http::Answer, Value) {
    let mut answer = http::ask(&server.address, token, "Hello");
    let started = answer.event().unwrap();
    assert_eq!(started.name, "run_started", "{started:?}");
    assert_eq!(answer.event().unwrap().name, "text_chunk");
    slow.began();
    (answer, started.data)
}

/// What is stored, oldest first.
fn messages(server: &Server, token: &str) -> Vec<Value> {
    let (status, page) = http::get(&server.address, "/api/v1/messages?limit=100", Some(token));
    assert_eq!(status, 200, "{page:#}");
    let mut messages = page["messages"].as_array().unwrap().clone();
    messages.reverse();
    messages
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .map(|it| it["content"].as_str().unwrap())
        .collect()
}

fn post(server: &Server, token: &str, path: &str, body: &Value) -> (u16, Value) {
    let authorization = format!("Bearer {token}");
    let headers = [
        ("host", &*server.address),
        ("authorization", &authorization),
        ("content-type", "application/json"),
    ];
    let body = body.to_string();
    http::call(&server.address, &format!("POST {path}"), &headers, &body)
}

fn cancel(server: &Server, token: &str, run: &Value) -> (u16, Value) {
    let run = run.as_str().unwrap();
    post(
        server,
        token,
        &format!("/api/v1/runs/{run}/cancel"),
        &json!({}),
    )
}

fn runs(server: &Server, token: &str) -> Value {
    let (status, runs) = http::get(&server.address, "/api/v1/runs", Some(token));
    assert_eq!(status, 200, "{runs:#}");
    runs["runs"].clone()
}

/// Waits until a message was offered again to a store that had not taken it, so many times in all.
fn offered_again(server: &Server, times: usize) {
    let begun = Instant::now();
    while server.log().matches("it is offered again").count() < times {
        assert!(begun.elapsed() < PATIENCE, "{}", server.log());
        http::get(&server.address, "/livez", None);
    }
}

/// The events of an answer that came as one text.
fn events(body: &Value) -> Vec<String> {
    let lines = body.as_str().unwrap_or_default().lines();
    lines
        .filter_map(|line| line.strip_prefix("event: "))
        .map(str::to_owned)
        .collect()
}

/// D1: a server that is told to stop stores the part of each answer that came.
#[test]
fn a_stop_stores_the_part_of_each_answer_that_came() {
    let slow = Slow::start();
    let home = home("", &slow.provider.base_url);
    home.ok(&["init", "--config", "template.json"]);
    let (_, token) = home.member();
    let server = home.serve();
    let (answer, _) = begin(&server, &token, &slow);
    // And one whose reader has left.
    drop(begin(&server, &token, &slow));
    server.send("TERM");
    let events = answer.rest();
    assert_eq!(finished(&events)["status"], "interrupted", "{events:?}");
    assert_eq!(finished(&events)["usage_estimated"], true, "{events:?}");
    assert_eq!(server.wait(), Some(0));

    let server = home.serve();
    let stored = messages(&server, &token);
    let parts: Vec<_> = stored.iter().filter(|it| it["role"] == "ai").collect();
    assert_eq!(parts.len(), 2, "{stored:#?}");
    for part in parts {
        assert_eq!(part["content"], "Half");
        assert_eq!(part["metadata"]["interrupted"], "shutdown");
    }
    let (_, usage) = http::get(&server.address, "/api/v1/usage", Some(&token));
    assert_eq!(usage["total"]["estimated_runs"], 2, "{usage:#}");
}

/// D2: an answer that the embedded store cannot take at once is taken later, and only then called
/// finished.
#[test]
fn an_answer_waits_for_a_file_that_somebody_else_holds() {
    let slow = Slow::start();
    let home = home("", &slow.provider.base_url);
    home.ok(&["init", "--config", "template.json"]);
    let (_, token) = home.member();
    let server = home.serve();
    let database = Connection::open(home.path("data/nexus.db")).unwrap();

    // As an answer ends.
    let (answer, _) = begin(&server, &token, &slow);
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    slow.goes_on();
    let reading = thread::spawn(move || answer.rest());
    offered_again(&server, 1);
    database.execute_batch("COMMIT").unwrap();
    let events = reading.join().unwrap();
    assert_eq!(finished(&events)["status"], "completed", "{events:?}");
    assert_eq!(
        texts(&messages(&server, &token)),
        ["Hello", "Half and half."]
    );

    // As a question comes.
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let address = server.address.clone();
    let person = token.clone();
    let asking = thread::spawn(move || http::ask(&address, &person, "Again"));
    offered_again(&server, 2);
    database.execute_batch("COMMIT").unwrap();
    let answer = asking.join().unwrap();
    assert_eq!(answer.status, 200);
    slow.goes_on();
    let events = answer.rest();
    assert_eq!(finished(&events)["status"], "completed", "{events:?}");
    let stored = messages(&server, &token);
    assert_eq!(
        texts(&stored),
        ["Hello", "Half and half.", "Again", "Half and half."]
    );

    // What was used is counted once.
    let (_, usage) = http::get(&server.address, "/api/v1/usage", Some(&token));
    assert_eq!(usage["total"]["input_tokens"], 14, "{usage:#}");
}

/// D2: an answer that a frozen MongoDB takes late is not called failed, and is stored once.
#[tokio::test]
async fn an_answer_waits_for_a_database_that_is_frozen() {
    let mut database = ReplicaSet::new(1);
    database.start().await;
    let slow = Slow::start();
    let home = home(
        &format!("database: {}\n", database.uri()),
        &slow.provider.base_url,
    );
    home.ok(&["init", "--config", "template.json"]);
    let (_, token) = home.member();
    let server = home.serve();
    let (answer, _) = begin(&server, &token, &slow);
    database.freeze(0);
    slow.goes_on();
    let reading = thread::spawn(move || answer.rest());
    offered_again(&server, 1);
    database.thaw(0);
    let events = reading.join().unwrap();
    assert_eq!(finished(&events)["status"], "completed", "{events:?}");
    let begun = Instant::now();
    while http::get(&server.address, "/api/v1/messages", Some(&token)).0 != 200 {
        assert!(begun.elapsed() < SOON);
    }
    assert_eq!(
        texts(&messages(&server, &token)),
        ["Hello", "Half and half."]
    );
}

/// P3: a run is listed while it goes on, and Stop cancels it for real, from anywhere.
#[test]
fn a_run_is_listed_and_cancelled() {
    let slow = Slow::start();
    let home = home("", &slow.provider.base_url);
    home.ok(&["init", "--config", "template.json"]);
    let (_, token) = home.member();
    let (_, other) = home.member();
    let server = home.serve();
    assert_eq!(runs(&server, &token), json!([]));
    let (answer, started) = begin(&server, &token, &slow);
    let run = &started["run_id"];
    let listed = runs(&server, &token);
    assert_eq!(listed[0]["run_id"], *run, "{listed:#}");
    assert_eq!(listed[0]["message_id"], started["message_id"]);
    assert!(listed[0]["started_at"].is_string());
    // It is nobody else's.
    assert_eq!(runs(&server, &other), json!([]));
    let (status, refused) = cancel(&server, &other, run);
    assert_eq!(
        (status, &refused["error"]["code"]),
        (404, &json!("run_not_found"))
    );

    // Whoever reloads does not stop it; cancelling does, and the part is stored by then.
    drop(answer);
    assert_eq!(runs(&server, &token)[0]["run_id"], *run);
    let ended = (200, json!({"run_id": run, "status": "ended"}));
    assert_eq!(cancel(&server, &token, run), ended);
    let stored = messages(&server, &token);
    assert_eq!(texts(&stored), ["Hello", "Half"]);
    assert_eq!(stored[1]["metadata"]["interrupted"], "cancelled");
    assert_eq!(runs(&server, &token), json!([]));
    assert_eq!(cancel(&server, &token, run), ended);
    let (status, _) = cancel(&server, &token, &json!("run_unknown"));
    assert_eq!(status, 404);
}

/// P3: asking again stores nothing twice, shows one answer, and is refused where there is one.
#[test]
fn a_question_is_asked_again_without_doubling_anything() {
    let slow = Slow::start();
    let home = home("", &slow.provider.base_url);
    home.ok(&["init", "--config", "template.json"]);
    let (_, token) = home.member();
    let server = home.serve();
    let (answer, started) = begin(&server, &token, &slow);
    let again = json!({"run_id": started["run_id"]});
    let ask_again = || post(&server, &token, "/api/v1/chat", &again);
    let (status, refused) = ask_again();
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &json!("run_in_progress"))
    );
    cancel(&server, &token, &started["run_id"]);
    answer.rest();
    // The provider of the first attempt talks to nobody.
    slow.goes_on();

    // Several ask again at once: one gets through.
    let barrier = Arc::new(Barrier::new(4));
    let answers = thread::scope(|scope| {
        let askers: Vec<_> = (0..4)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                scope.spawn(move || {
                    barrier.wait();
                    ask_again()
                })
            })
            .collect();
        slow.began();
        slow.goes_on();
        let answers = askers.into_iter().map(|it| it.join().unwrap());
        answers.collect::<Vec<_>>()
    });
    let (through, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.0 == 200);
    assert_eq!(through.len(), 1, "{answers:#?}");
    assert!(refused.iter().all(|it| it.0 == 409), "{answers:#?}");
    assert!(events(&through[0].1).ends_with(&["run_finished".to_owned()]));

    // One question, one answer, and the model was shown the question once, both times.
    let stored = messages(&server, &token);
    assert_eq!(texts(&stored), ["Hello", "Half and half."]);
    assert_eq!(stored[0]["run_id"], stored[1]["run_id"]);
    let requests = slow.provider.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0]["messages"], requests[1]["messages"]);

    let (status, refused) = ask_again();
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &json!("already_answered"))
    );
    let unknown = json!({"run_id": "run_unknown"});
    assert_eq!(post(&server, &token, "/api/v1/chat", &unknown).0, 404);
    let both = json!({"run_id": "run_unknown", "content": "Hello"});
    assert_eq!(post(&server, &token, "/api/v1/chat", &both).0, 422);
}

/// P3: a run on another node is listed and cancelled too, and not asked again beside it.
#[tokio::test]
async fn a_run_on_another_node_is_listed_and_cancelled() {
    let mut database = ReplicaSet::new(1);
    database.start().await;
    let slow = Slow::start();
    let settings = format!("database: {}\n", database.uri());
    let homes = [(); 2].map(|()| home(&settings, &slow.provider.base_url));
    homes[0].ok(&["init", "--config", "template.json"]);
    let (_, token) = homes[0].member();
    let [first, second] = homes.each_ref().map(Home::serve);
    let (answer, started) = begin(&first, &token, &slow);
    let run = &started["run_id"];
    let listed = runs(&second, &token);
    assert_eq!(listed[0]["run_id"], *run, "{listed:#}");
    assert_eq!(listed[0]["message_id"], started["message_id"]);
    let again = json!({"run_id": run});
    let (status, refused) = post(&second, &token, "/api/v1/chat", &again);
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &json!("run_in_progress"))
    );

    let ended = (200, json!({"run_id": run, "status": "ended"}));
    assert_eq!(cancel(&second, &token, run), ended);
    assert_eq!(finished(&answer.rest())["status"], "interrupted");
    let stored = messages(&second, &token);
    assert_eq!(texts(&stored), ["Hello", "Half"]);
    assert_eq!(runs(&second, &token), json!([]));

    // And then it is asked again there. The provider of the first attempt talks to nobody.
    slow.goes_on();
    let person = token.clone();
    let asking = thread::spawn(move || post(&second, &person, "/api/v1/chat", &again));
    slow.began();
    slow.goes_on();
    let (status, body) = asking.join().unwrap();
    assert_eq!(status, 200, "{body:#}");
    assert!(events(&body).ends_with(&["run_finished".to_owned()]));
    let stored = messages(&first, &token);
    assert_eq!(texts(&stored), ["Hello", "Half and half."]);
}

/// P7: how an answer ended is in the last event and in what is stored.
#[test]
fn how_an_answer_ended_is_told_and_stored() {
    for reason in ["stop", "length", "content_filter"] {
        let provider = Provider::start(move |request: Request| {
            use std::io::Write as _;
            let mut stream = request.event_stream()?;
            let end = end(None).replace("\"stop\"", &format!("\"{reason}\""));
            write!(stream, "{}{end}", chunk("Well"))
        });
        let home = home("", &provider.base_url);
        home.ok(&["init", "--config", "template.json"]);
        let (_, token) = home.member();
        let server = home.serve();
        let events = http::chat(&server.address, &token, "Hello");
        assert_eq!(finished(&events)["finish_reason"], reason, "{events:?}");
        let stored = messages(&server, &token);
        assert_eq!(
            stored[1]["metadata"]["finish_reason"], reason,
            "{stored:#?}"
        );
    }
}

/// D6: a restart uses the last good version when the stored template cannot be used.
#[test]
fn a_restart_uses_the_last_good_template() {
    let provider = Provider::start(|request: Request| request.say("From the lab.", 1, 1));
    for environment in ["development", "production"] {
        for broken in ["{\"llm\": {}}", "{\"llm\": {\"providers\": 7}}", "[]"] {
            let home = home(&format!("environment: {environment}\n"), &provider.base_url);
            home.ok(&["init", "--config", "template.json"]);
            let (_, token) = home.member();
            let database = Connection::open(home.path("data/nexus.db")).unwrap();
            let added = database.execute(
                "INSERT INTO configurations (environment, version, doc, author, created_at, hash) \
                 VALUES (?1, 2, ?2, 'somebody', 1, 'x')",
                (environment, broken),
            );
            assert_eq!(added.unwrap(), 1);
            let server = home.serve();
            assert!(server.report.contains("version 1"), "{}", server.report);
            assert!(server.report.contains("problem:"), "{}", server.report);
            let events = http::chat(&server.address, &token, "Hello");
            assert_eq!(http::text(&events), "From the lab.", "{events:?}");
            let (status, ready) = http::get(&server.address, "/readyz", None);
            assert_eq!((status, &ready["status"]), (200, &json!("degraded")));
        }
    }
}

/// M3: each run leaves one line in the log that says what it was made of, and nothing of what was
/// said.
#[test]
fn each_run_leaves_one_line_in_the_log() {
    const SECRETS: [&str; 3] = ["purple elephants", "In the lab", "Speak like a pirate"];
    let provider = Provider::start(|request: Request| request.say("In the lab.", 11, 4));
    let home = home("", &provider.base_url);
    home.ok(&["init", "--config", "template.json"]);
    let (key, token) = home.member();
    home.ok(&["config", "set", &key, "temperature", "0.25"]);
    home.ok(&["prompt", "set", &key, "persona", "Speak like a pirate"]);
    let visitor = SigningKey::from_bytes(&[9; 32]).unwrap().public_key();
    let visitor = home.json(&["identity", "token", &visitor.to_string()]);
    let server = home.serve_with(&["--log-format", "json", "--log", "debug"]);
    let events = http::chat(&server.address, &token, "purple elephants");
    assert_eq!(finished(&events)["status"], "completed");
    // One that is refused, and a visitor.
    let refused = json!({"content": "purple elephants", "config": {"temperature": 9}});
    assert_eq!(post(&server, &token, "/api/v1/chat", &refused).0, 422);
    http::chat(
        &server.address,
        visitor["token"].as_str().unwrap(),
        "purple elephants",
    );
    let log = server.log();
    for secret in SECRETS {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let of_runs = lines.iter().filter(|it| it["message"] == "run finished");
    let of_runs: Vec<_> = of_runs.collect();
    let [answered, refused, visitor] = &of_runs[..] else {
        panic!("{of_runs:#?}")
    };
    for (line, level) in [(answered, "INFO"), (refused, "INFO"), (visitor, "INFO")] {
        assert_eq!(line["level"], level, "{line:#}");
        assert!(line["span"]["run"].as_str().unwrap().starts_with("run_"));
        assert!(line["total_ms"].is_u64(), "{line:#}");
    }
    assert_eq!(answered["span"]["owner"], key.to_lowercase());
    let expected = json!({
        "status": "completed", "asked": "lab", "served": "lab", "provider": "lab",
        "template": 1, "overrides": "config.temperature=identity prompts.persona=identity",
        "input_tokens": 11, "output_tokens": 4, "cost_micros": 0, "finish_reason": "stop",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(answered[field], *value, "{field}: {answered:#}");
    }
    assert!(answered["first_word_ms"].is_u64(), "{answered:#}");
    assert_eq!(refused["status"], "failed");
    assert_eq!(refused["error"], "out_of_bounds", "{refused:#}");
    assert_eq!(visitor["status"], "visitor_guidance_sent");
    // The merge can be followed.
    let block = lines.iter().find(|it| it["message"] == "prompt block");
    let block = block.unwrap();
    assert_eq!(
        (&block["block"], &block["layer"]),
        (&json!("persona"), &json!("identity"))
    );
    assert_eq!(block["bytes"], "Speak like a pirate".len());
    assert!(lines.iter().any(|it| it["message"] == "effective profile"));
}
