//! A database that is frozen: what a run says is kept and offered to it, and people are told the
//! truth.

use std::io::{Read as _, Write as _};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{self, finished};
use crate::mongod::ReplicaSet;
use crate::program::{Home, Server};
use crate::regressions::provider::{Provider, Request, chunk};

/// Longer than a message waits for a database before it is offered again.
const PATIENCE: Duration = Duration::from_mins(1);

/// A member, a server, and a database that can be frozen at any word of an answer.
struct World {
    server: Server,
    token: String,
    provider: Provider,
    /// One for each answer that has begun.
    began: Receiver<()>,
    goes_on: Sender<()>,
    database: ReplicaSet,
    home: Home,
}

/// The end of a turn that wants the time, or that is an answer.
fn end(wants_tool: bool) -> String {
    let function = json!({"name": "current_time", "arguments": "{}"});
    let call = json!({"index": 0, "id": "call_1", "type": "function", "function": function});
    let (delta, reason) = if wants_tool {
        (json!({"tool_calls": [call]}), "tool_calls")
    } else {
        (json!({"content": " All of it."}), "stop")
    };
    let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
    let chunk = json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [choice]});
    format!("data: {chunk}\n\ndata: [DONE]\n\n")
}

impl World {
    /// The provider says `Well.`, and waits for a word of the test to say the rest. Asked what time
    /// it is, it calls a tool first.
    async fn start() -> Self {
        let (tell, began) = channel();
        let (goes_on, go_on) = channel();
        let (tell, go_on) = (Mutex::new(tell), Mutex::new(go_on));
        let provider = Provider::start(move |request: Request| {
            if request.line.starts_with("GET") {
                return request.json(200, &json!({"object": "list", "data": []}));
            }
            let last = request.messages().pop().unwrap();
            let wants_tool = last.0 == "user" && last.1.contains("time");
            let mut stream = request.event_stream()?;
            write!(stream, "{}", chunk("Well."))?;
            tell.lock().unwrap().send(()).unwrap();
            if go_on.lock().unwrap().recv().is_ok() {
                write!(stream, "{}", end(wants_tool))?;
            }
            Ok(())
        });
        let mut database = ReplicaSet::new(1);
        database.start().await;
        let home = Home::new();
        let settings = format!("database: {}\nprivate_hosts: [127.0.0.1]\n", database.uri());
        home.write("nexus.yml", &settings);
        let template = json!({
            "llm": {
                "providers": {"lab": {"base_url": provider.base_url}},
                "catalog": {"lab": {"provider": "lab", "id": "lab-1"}},
            },
            "user_defaults": {
                "config": {"model": "lab", "tools": ["current_time"]},
                "prompts": {"persona": {"content": "Be kind.", "editable": true, "order": 1}},
            },
            "ui": {"editable_fields": ["prompts.persona"]},
        });
        home.write("template.json", &template.to_string());
        home.ok(&["init", "--config", "template.json"]);
        let (_, token) = home.member();
        let server = home.serve();
        Self {
            server,
            token,
            provider,
            began,
            goes_on,
            database,
            home,
        }
    }

    /// Waits until the model was asked, and has said its first word.
    fn began(&self) {
        self.began.recv_timeout(PATIENCE).unwrap();
    }

    /// How often a message was offered again so far.
    fn offers(&self) -> usize {
        self.server.log().matches("it is offered again").count()
    }

    /// Waits until a message was offered again, more than `before` times in all.
    fn offered_again(&self, before: usize) {
        let begun = Instant::now();
        while self.offers() <= before {
            assert!(begun.elapsed() < PATIENCE, "{}", self.server.log());
            http::get(&self.server.address, "/livez", None);
        }
    }

    /// What is stored, oldest first, as soon as the database answers.
    fn stored(&self) -> Vec<(String, String)> {
        stored(&self.server, &self.token)
    }
}

fn stored(server: &Server, token: &str) -> Vec<(String, String)> {
    let begun = Instant::now();
    let page = loop {
        let (status, page) = http::get(&server.address, "/api/v1/messages?limit=100", Some(token));
        if status == 200 {
            break page;
        }
        assert!(begun.elapsed() < PATIENCE, "{page:#}");
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let messages = page["messages"].as_array().unwrap().iter().rev();
    messages
        .map(|it| (text(&it["role"]), text(&it["content"])))
        .collect()
}

/// D2: the turns of a run with tools wait for a frozen MongoDB, each is stored once, and no model is
/// asked twice for one.
#[tokio::test(flavor = "multi_thread")]
async fn rounds_of_tools_wait_for_a_frozen_database() {
    let world = World::start().await;
    let answer = http::ask(&world.server.address, &world.token, "What time is it?");
    let reading = thread::spawn(move || answer.rest());
    // The turn that calls the tool, and the one that uses what it said.
    for _ in 0..2 {
        world.began();
        let before = world.offers();
        world.database.freeze(0);
        world.goes_on.send(()).unwrap();
        world.offered_again(before);
        world.database.thaw(0);
    }
    let events = reading.join().unwrap();
    assert_eq!(finished(&events)["status"], "completed", "{events:?}");
    let stored = world.stored();
    let roles: Vec<_> = stored.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ["human", "ai", "tool", "ai"], "{stored:?}");
    assert_eq!(stored[3].1, "Well. All of it.");
    let requests = world.provider.requests();
    assert_eq!(requests.len(), 2);
    let last = requests[1]["messages"].as_array().unwrap().last();
    assert_eq!(last.unwrap()["role"], "tool", "{requests:#?}");
}

/// Asks, and freezes the database when the request was let in and its body is still to come.
fn ask_frozen(world: &World, content: &str) -> thread::JoinHandle<String> {
    let body = json!({ "content": content }).to_string();
    let address = &world.server.address;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (token, length) = (&world.token, body.len());
    write!(
        stream,
        "POST /api/v1/chat HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\
         expect: 100-continue\r\n\r\n"
    )
    .unwrap();
    let mut told = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut told).unwrap();
    assert!(told.starts_with(b"HTTP/1.1 100 "), "{told:?}");
    world.database.freeze(0);
    stream.write_all(body.as_bytes()).unwrap();
    thread::spawn(move || {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    })
}

/// D2: a question waits for a frozen MongoDB and is then stored and answered once.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_for_a_frozen_database() {
    let world = World::start().await;
    let mut answered = 0;
    // Where its owner's standing has to be read anew, the database is asked for that first.
    for round in 1..=5 {
        // What is known of the person is fresh.
        world.stored();
        let before = world.offers();
        let question = format!("Question {round}");
        let asking = ask_frozen(&world, &question);
        while world.offers() <= before && !asking.is_finished() {
            http::get(&world.server.address, "/livez", None);
        }
        let waited = world.offers() > before;
        world.database.thaw(0);
        if waited {
            world.began();
            world.goes_on.send(()).unwrap();
        }
        let answer = asking.join().unwrap();
        if waited {
            answered += 1;
            assert!(answer.contains(r#""status":"completed""#), "{answer}");
            let stored = world.stored();
            let [(_, asked), (_, said)] = &stored[..] else {
                panic!("{stored:?}")
            };
            assert_eq!((&**asked, &**said), (&*question, "Well. All of it."));
            break;
        }
        assert!(answer.contains("store_unavailable"), "{answer}");
        assert_eq!(world.stored(), [], "{answer}");
    }
    assert_eq!(answered, 1);
    assert_eq!(world.provider.requests().len(), 1);
}

/// D2: a question that MongoDB does not take in time is answered by no model, and its owner is told
/// to look for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_a_frozen_database_does_not_take_is_not_called_stored() {
    let world = World::start().await;
    world.stored();
    let answer = ask_frozen(&world, "Hello").join().unwrap();
    assert!(answer.contains("store_unavailable"), "{answer}");
    assert!(answer.contains("look"), "{answer}");
    assert!(!answer.contains("completed"), "{answer}");
    assert_eq!(world.provider.requests().len(), 0);
    world.database.thaw(0);
    // It may have been taken after all.
    let stored = world.stored();
    let hello = ("human".to_owned(), "Hello".to_owned());
    assert!(stored.is_empty() || stored == [hello], "{stored:?}");
}

/// D2: an answer that MongoDB does not take before the server stops is called missing, by the stream
/// and by the exit code.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_frozen_database_does_not_take_is_called_missing() {
    let world = World::start().await;
    let answer = http::ask(&world.server.address, &world.token, "Hello");
    let reading = thread::spawn(move || answer.rest());
    world.began();
    world.database.freeze(0);
    world.goes_on.send(()).unwrap();
    world.offered_again(0);
    let World {
        server,
        token,
        database,
        home,
        ..
    } = world;
    server.send("TERM");
    // The stream may be cut off before the database was waited for long enough.
    let events = reading.join().unwrap();
    let error = events.iter().find(|event| event.name == "error");
    let error = &error.unwrap_or_else(|| panic!("{events:?}")).data;
    let told = ["answer_not_stored", "interrupted"];
    assert!(told.iter().any(|code| error["code"] == *code), "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("may be missing"), "{message}");
    let finished = events.iter().find(|event| event.name == "run_finished");
    assert!(
        finished.is_none_or(|it| it.data["status"] != "completed"),
        "{events:?}"
    );
    assert_eq!(server.wait(), Some(1));
    let log = std::fs::read_to_string(home.path("serve.log")).unwrap();
    assert!(log.contains("1 answer could not be stored"), "{log}");
    database.thaw(0);
    let server = home.serve();
    let stored = stored(&server, &token);
    assert_eq!(stored[0].1, "Hello", "{stored:?}");
    assert!(stored.len() <= 2, "{stored:?}");
}
