//! Budgets, usage and what leaves for providers.

use std::io::{self, Read as _, Write as _};
use std::sync::Mutex;
use std::sync::mpsc;

use serde_json::{Value, json};

use super::context::World;
use super::provider::{Request, chunk, end};
use crate::http;

/// A budget of one day.
fn daily(tokens: u64) -> String {
    format!(
        "limits: {{ identity: {{ daily_tokens: {tokens}, tokens_per_minute: 10000000000 }} }}\n"
    )
}

/// Says one word and waits until Nexus hangs up.
fn one_word(request: Request) -> io::Result<()> {
    let mut stream = request.event_stream()?;
    write!(stream, "{}", chunk("one "))?;
    stream.read_to_end(&mut Vec::new()).map(|_| ())
}

/// Answers without counting anything.
fn uncounted(request: Request) -> io::Result<()> {
    if request.body["stream"] == true {
        let mut stream = request.event_stream()?;
        return write!(stream, "{}{}", chunk("four"), end(None));
    }
    let message = json!({ "role": "assistant", "content": "four" });
    let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
    request.json(
        200,
        &json!({ "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [choice] }),
    )
}

fn ask(content: &Value) -> Value {
    json!({ "model": "real", "messages": [{ "role": "user", "content": content }] })
}

fn with_tools(bytes: usize, stream: bool) -> Value {
    let tool = json!({ "type": "function", "function": {
        "name": "look", "description": "d".repeat(bytes),
        "parameters": { "type": "object", "properties": {} } } });
    let mut body = ask(&"Hello".into());
    body["tools"] = json!([tool]);
    body["stream"] = stream.into();
    body
}

fn used(world: &World) -> Value {
    let (status, usage) = http::get(&world.server.address, "/api/v1/usage", Some(&world.token));
    assert_eq!(status, 200);
    usage["total"].clone()
}

/// Waits until so many runs are on record.
#[track_caller]
fn settled(world: &World, runs: u64) -> Value {
    http::soon(
        &world.server.address,
        "/api/v1/usage",
        &world.token,
        |usage| usage["total"]["runs"] == runs,
    );
    used(world)
}

/// S3: tools that were sent cost what they weigh, also when the client leaves after the first word,
/// and end at the budget of the day.
#[test]
fn s3_ten_mebibytes_of_tools_stop_at_the_daily_budget() {
    const TOOLS: usize = 10 * 1024 * 1024;
    let world = World::over("", &daily(5_000_000), one_word);
    let body = with_tools(TOOLS, true);
    for runs in 1..=2 {
        let answer = http::post(
            &world.server.address,
            "/v1/chat/completions",
            &world.token,
            &body,
        );
        assert_eq!(answer.status, 200);
        drop(answer);
        let used = settled(&world, runs);
        let counted = used["input_tokens"].as_u64().unwrap();
        assert!(counted >= runs * (TOOLS as u64) / 4, "{used:#}");
        assert!(counted <= runs * (TOOLS as u64) / 4 + 1_000, "{used:#}");
        assert_eq!(used["estimated_runs"], runs);
    }
    let (status, refused) = world.v1("/v1/chat/completions", &body);
    assert_eq!(status, 429, "{refused:#}");
    assert_eq!(world.provider.requests().len(), 2);
}

/// S3: what a run may come to is counted while it is under way: everything it sends, and the
/// longest answer where none was asked for.
#[test]
fn s3_a_run_under_way_holds_what_it_may_come_to() {
    for (facts, budget, body) in [
        // Tools of 100,000 tokens.
        ("", 100_000, with_tools(400_000, true)),
        // A schema for the answer.
        ("", 100_000, {
            let mut body = with_tools(4, true);
            let schema = json!({ "type": "object", "description": "d".repeat(400_000) });
            body["response_format"] =
                json!({ "type": "json_schema", "json_schema": { "name": "s", "schema": schema } });
            body
        }),
        // An answer without a limit.
        ("", 4_000, with_tools(4, true)),
        // One of a model that writes long ones.
        (", max_output_tokens: 50000", 50_000, with_tools(4, true)),
    ] {
        let world = World::over(facts, &daily(budget), one_word);
        let first = http::post(
            &world.server.address,
            "/v1/chat/completions",
            &world.token,
            &body,
        );
        assert_eq!(first.status, 200);
        let (status, refused) = world.v1("/v1/chat/completions", &body);
        assert_eq!(status, 429, "{budget}: {refused:#}");
        drop(first);
        // It came to less than it might have.
        settled(&world, 1);
    }
}

/// S3: where a provider counts, its count is stored, whatever was estimated.
#[test]
fn s3_what_the_provider_counts_is_what_is_stored() {
    let world = World::over("", "", |request| request.say("Hello.", 1_234, 56));
    http::chat(
        &world.server.address,
        &world.token,
        "好".repeat(500).as_str(),
    );
    let (status, _) = world.v1("/v1/chat/completions", &with_tools(40_000, false));
    assert_eq!(status, 200);
    let used = settled(&world, 2);
    assert_eq!(
        (
            &used["input_tokens"],
            &used["output_tokens"],
            &used["estimated_runs"]
        ),
        (&json!(2 * 1_234), &json!(2 * 56), &json!(0)),
    );
}

/// S3: where no provider counts, tokens are estimated and marked: a character that is not ASCII is a
/// token, and images, sound and documents never go by their base64.
#[test]
fn s3_what_nobody_counts_is_estimated() {
    let data = "A".repeat(3_000_000);
    let image = |detail: &str| {
        json!([{ "type": "text", "text": "Look." }, { "type": "image_url", "image_url": {
            "url": format!("data:image/png;base64,{data}"), "detail": detail } }])
    };
    for (content, least, most) in [
        (json!("a".repeat(4_000)), 1_000, 1_050),
        (json!("好".repeat(1_000)), 1_000, 1_050),
        (image("high"), 1_105, 1_200),
        (image("low"), 85, 200),
    ] {
        let world = World::over("", "", uncounted);
        let (status, answer) = world.v1("/v1/chat/completions", &ask(&content));
        assert_eq!(status, 200, "{answer:#}");
        let used = settled(&world, 1);
        let input = used["input_tokens"].as_u64().unwrap();
        assert!((least..=most).contains(&input), "{least}: {used:#}");
        assert_eq!(used["output_tokens"], 1, "{used:#}");
        assert_eq!(used["estimated_runs"], 1, "{used:#}");
    }
}

/// S3: a budget is passed by at most the runs that were under way when it was reached.
#[test]
fn s3_a_daily_budget_is_not_passed() {
    let (sender, receiver) = mpsc::channel::<()>();
    let gate = Mutex::new(receiver);
    let world = World::over("", &daily(10_000), move |request| {
        gate.lock().unwrap().recv().ok();
        request.say("Hello.", 3_000, 10)
    });
    let body = json!({ "model": "real", "max_tokens": 4_000,
        "messages": [{ "role": "user", "content": "Hello" }] });
    let (done, statuses) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (done, world, body) = (done.clone(), &world, &body);
            scope.spawn(move || done.send(world.v1("/v1/chat/completions", body).0));
        }
        // Each holds about 4,000: the fourth finds more than 10,000 held.
        let refused: Vec<_> = statuses.iter().take(5).collect();
        assert_eq!(refused, [429; 5]);
        for _ in 0..3 {
            sender.send(()).unwrap();
        }
        let answered: Vec<_> = statuses.iter().take(3).collect();
        assert_eq!(answered, [200; 3]);
    });
    let used = settled(&world, 3);
    assert_eq!(used["input_tokens"], 9_000, "{used:#}");
}

/// S8: an image whose address leads into a network is refused by name, and nothing is sent.
#[test]
fn s8_an_address_inside_a_network_is_refused_by_name() {
    let world = World::over("", "", |request| request.say("Hello.", 10, 1));
    let image = |url: &str| json!([{ "type": "image_url", "image_url": { "url": url } }]);
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://user:pw@10.0.0.1/x",
        "http://images.example.com\\@127.0.0.1/x",
        "https://user@images.example.com/x",
        "http://2130706433/x",
        "http://0177.0.0.1/x",
        "http://0x7f.1/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://[fe80::1]/x",
        "http://localhost:8000/api/v1/profile",
        "http://printer.local/x",
        "http://metadata.google.internal/x",
        "ftp://images.example.com/x",
        "file:///etc/passwd",
    ] {
        let (status, answer) = world.v1("/v1/chat/completions", &ask(&image(url)));
        assert_eq!(status, 400, "{url}: {answer:#}");
        assert_eq!(
            answer["error"]["param"], "messages[0].content[0].image_url.url",
            "{url}"
        );
        let body = json!({ "model": "real", "input": [{ "role": "user", "content": [
            { "type": "input_image", "image_url": url }] }] });
        let (status, answer) = world.v1("/v1/responses", &body);
        assert_eq!(status, 400, "{url}: {answer:#}");
    }
    assert_eq!(world.provider.requests().len(), 0);
    for url in [
        "https://images.example.com/x.png",
        "data:image/png;base64,aGk=",
    ] {
        let (status, answer) = world.v1("/v1/chat/completions", &ask(&image(url)));
        assert_eq!(status, 200, "{url}: {answer:#}");
    }
    assert_eq!(world.provider.requests().len(), 2);
}

/// S9: tools that a provider runs itself are refused by name, unless the template lists them.
#[test]
fn s9_tools_of_the_provider_pass_only_where_they_are_listed() {
    let clients = "clients: { provider_tools: [web_search] }\n";
    for (sections, listed) in [("", false), (clients, true)] {
        let world = World::over("", sections, |request| request.say("Hello.", 10, 1));
        let own = json!({ "type": "function", "name": "look",
            "function": { "name": "look", "parameters": { "type": "object" } } });
        for (kind, passes) in [
            ("web_search", listed),
            ("mcp", false),
            ("code_interpreter", false),
            ("custom", false),
            ("Function", false),
            ("", false),
        ] {
            let before = world.provider.requests().len();
            let tools = json!([own, { "type": kind, "server_url": "https://x.example.com" }]);
            let mut body = ask(&"Hello".into());
            body["tools"] = tools.clone();
            let chat = ("/v1/chat/completions", body);
            let body = json!({ "model": "real", "input": "Hello", "tools": tools });
            for (path, body) in [chat, ("/v1/responses", body)] {
                let (status, answer) = world.v1(path, &body);
                assert_eq!(
                    status,
                    if passes { 200 } else { 400 },
                    "{path} {kind}: {answer:#}"
                );
                if !passes {
                    assert_eq!(answer["error"]["param"], "tools[1].type", "{path}");
                    let message = answer["error"]["message"].as_str().unwrap();
                    assert!(
                        message.contains(kind) && message.contains("provider_tools"),
                        "{message}"
                    );
                }
            }
            let sent = world.provider.requests().len() - before;
            assert_eq!(sent, if passes { 2 } else { 0 }, "{kind}");
        }
    }
}
