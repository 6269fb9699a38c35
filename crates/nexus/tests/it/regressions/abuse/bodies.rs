//! Bodies that are cheap to send and dear to read or to keep.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Attacked, STUCK_IN_A_CROWD, Upload, code, post, post_many, scaled};
use crate::http;

const COMPLETIONS: &str = "/v1/chat/completions";
const MIB: usize = 1024 * 1024;

/// A body of messages.
fn conversation(messages: &str) -> Vec<u8> {
    format!(r#"{{"model":"m","messages":[{messages}{{"role":"user","content":"x"}}]}}"#)
        .into_bytes()
}

fn call(id: usize) -> String {
    format!(r#"{{"id":"c{id}","type":"function","function":{{"name":"f","arguments":""}}}}"#)
}

/// So many tool results, in three ways: all of one call, each of a call of its own message, each of
/// one of the calls of one message.
fn tool_results(count: usize) -> [Vec<u8>; 3] {
    let assistant =
        |calls: &str| format!(r#"{{"role":"assistant","content":"","tool_calls":[{calls}]}},"#);
    let result = |id: usize| format!(r#"{{"role":"tool","tool_call_id":"c{id}","content":""}},"#);
    let one = assistant(&call(0)) + &result(0).repeat(count);
    let mut each = String::new();
    for id in 0..count / 2 {
        _ = write!(each, "{}{}", assistant(&call(id)), result(id));
    }
    let calls: Vec<_> = (0..count / 2).map(call).collect();
    let mut all = assistant(&calls.join(","));
    for id in 0..count / 2 {
        all += &result(id);
    }
    [one, each, all].map(|messages| conversation(&messages))
}

/// S1: two bodies with 60,000 tool results stop nobody, whatever they answer.
#[test]
fn t24_a_body_of_tool_results_takes_time_in_proportion_to_its_length() {
    let attacked = Attacked::begin("");
    let (visitor, member) = (attacked.visitor(), attacked.home.member().1);
    for body in tool_results(60_000) {
        let body = Arc::new(body);
        attacked.while_others_work(|| {
            let visitors = [visitor.clone(), visitor.clone()];
            for reply in post_many((attacked.address(), COMPLETIONS), &visitors, &body) {
                let reply = reply.unwrap();
                assert_eq!((reply.status, code(&reply)), (403, "not_a_member"));
            }
            let members = [member.clone(), member.clone()];
            for reply in post_many((attacked.address(), COMPLETIONS), &members, &body) {
                let reply = reply.unwrap();
                assert_eq!((reply.status, code(&reply)), (413, "body_too_complex"));
            }
        });
    }
    // As many as there may be are read, and reach the provider.
    for body in tool_results(9_000) {
        attacked.while_others_work(|| {
            let reply = post(attacked.address(), COMPLETIONS, &member, &body).unwrap();
            assert_eq!(reply.status, 200, "{reply:?}");
        });
    }
    attacked.stayed_small();
}

/// S2: a body of many small values is refused before anything is built from it.
#[test]
fn t23_a_body_of_many_small_values_is_refused_before_it_is_built() {
    let attacked = Attacked::begin("");
    let member = attacked.home.member().1;
    let length = scaled(16 * MIB, 4 * MIB) - 64;
    let filled = |part: &str| part.repeat(length / part.len());
    for body in [
        format!(r#"{{"messages":[{}1]}}"#, filled("1,")),
        format!(r#"{{"messages":[{}[]]}}"#, filled("[],")),
        format!(r#"{{"messages":[],"x":{{{}"a":1}}}}"#, filled(r#""":{},"#)),
        // Nothing of it is JSON.
        format!(r#"{{"messages":{}"#, filled(":,")),
    ] {
        let body = body.into_bytes();
        for path in [COMPLETIONS, "/v1/responses"] {
            attacked.while_others_work(|| {
                let reply = post(attacked.address(), path, &member, &body).unwrap();
                assert_eq!((reply.status, code(&reply)), (413, "body_too_complex"));
            });
        }
    }
    let deep = [b'['].repeat(length);
    let reply = post(attacked.address(), COMPLETIONS, &member, &deep).unwrap();
    assert_eq!((reply.status, code(&reply)), (400, "malformed_json"));
    attacked.stayed_small();
}

/// S2: what a body is made of counts as much as its length.
#[test]
fn t23_a_body_of_many_empty_texts_is_refused() {
    let attacked = Attacked::begin("");
    let members: Vec<_> = (0..2).map(|_| attacked.home.member().1).collect();
    let tokens: Vec<_> = members.iter().flat_map(|it| vec![it.clone(); 4]).collect();
    // What nothing was counted for: 400,000 empty texts.
    let part = r#"{"type":"text","text":""}"#;
    let parts = vec![part; 11 * MIB / (part.len() + 1)].join(",");
    let empty = format!(r#"{{"role":"user","content":[{parts}]}},"#);
    let body = Arc::new(conversation(&empty));
    attacked.while_others_work(|| {
        for reply in post_many((attacked.address(), COMPLETIONS), &tokens, &body) {
            let reply = reply.unwrap();
            assert!(matches!(reply.status, 413 | 503), "{reply:?}");
            assert!(matches!(code(&reply), "body_too_complex" | "overloaded"));
        }
    });
    attacked.stayed_small();
}

fn crowded() -> Attacked {
    Attacked {
        stuck: STUCK_IN_A_CROWD,
        ..Attacked::begin("")
    }
}

/// Bodies that take much memory for what they are, for a provider that does not answer: long texts
/// in four forms (`true`), and as many small ones as there may be.
fn dear_bodies(length: usize) -> Vec<(Vec<u8>, bool)> {
    let question = json!({"role": "user", "content": "wait"});
    let asked = |message: Value| json!({"model": "m", "messages": [message, question]});
    let long = "x".repeat(length);
    let image = json!({"url": format!("data:image/png;base64,{long}")});
    let parts = |part: Value| asked(json!({"role": "user", "content": [part]}));
    let mut tools = asked(json!({"role": "assistant", "content": "Hello"}));
    tools["tools"] = json!([{"type": "function",
        "function": {"name": "f", "description": long}}]);
    let empty = vec![json!({"type": "text", "text": ""}); 10_000];
    let mut small = asked(json!({"role": "user", "content": empty}));
    let messages = small["messages"].as_array_mut().unwrap();
    messages.insert(0, messages[0].clone());
    let long = [
        asked(json!({"role": "assistant", "content": long})),
        parts(json!({"type": "image_url", "image_url": image})),
        parts(json!({"type": "text", "text": long})),
        tools,
    ];
    let bodies = long.into_iter().map(|body| (body, true));
    bodies
        .chain([(small, false)])
        .map(|(body, is_long)| (body.to_string().into_bytes(), is_long))
        .collect()
}

/// Sends a body four times for each of so many members, all at once, and waits until each was
/// refused or the provider took too long. Gives how many were told that there is no room.
fn hold(attacked: &Attacked, people: usize, body: &[u8]) -> usize {
    let person: Vec<_> = (0..people).map(|_| attacked.home.member().1).collect();
    let wait = |token: &str| {
        let mut upload = Upload::begin(attacked.address(), COMPLETIONS, token, body.len());
        let patience = Some(std::time::Duration::from_secs(10));
        upload.stream.set_read_timeout(patience).unwrap();
        // The server may refuse before it has read everything.
        _ = upload.send(body);
        let Ok(reply) = upload.reply() else {
            return false;
        };
        if code(&reply) != "overloaded" {
            assert!(code(&reply).starts_with("provider_"), "{reply:?}");
            return false;
        }
        assert_eq!(reply.status, 503);
        assert!(reply.head.to_ascii_lowercase().contains("retry-after: "));
        true
    };
    let mut refused = 0;
    attacked.while_others_work(|| {
        refused = std::thread::scope(|scope| {
            let tokens = person.iter().flat_map(|it| [it; 4]);
            let waiting: Vec<_> = tokens.map(|it| scope.spawn(|| wait(it))).collect();
            let waited = waiting.into_iter().map(|it| it.join().unwrap());
            waited.filter(|is_refused| *is_refused).count()
        });
    });
    // Their clients have left: there is room again.
    let small = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]});
    let (small, address) = (small.to_string(), attacked.address());
    let begun = std::time::Instant::now();
    loop {
        let reply = post(address, COMPLETIONS, &person[0], small.as_bytes()).unwrap();
        // Their provider may be left alone for a while.
        if reply.status == 200 || code(&reply).starts_with("provider_") {
            return refused;
        }
        assert!(begun.elapsed() < http::SOON, "{reply:?}");
    }
}

/// S2: requests that wait for a provider hold memory within one budget, of which one member has a
/// quarter; what ends gives it back.
#[test]
fn t23_requests_that_wait_hold_memory_within_one_budget() {
    let attacked = crowded();
    // More members than there are quarters take all that there is.
    let people = scaled(5, 2);
    // The short form: a text, and tools.
    let bodies = dear_bodies(11 * MIB).into_iter().enumerate();
    for (place, (body, is_long)) in bodies.step_by(scaled(1, 3)) {
        let refused = hold(&attacked, people, &body);
        // One of each waits, where its text is long.
        let fewest = if is_long { 2 * people } else { 0 };
        assert!(
            (fewest..4 * people).contains(&refused),
            "form {place}: {refused}"
        );
        attacked.stayed_small();
    }
}

/// S2: four members may send the longest body there may be, at once; however many others do so too,
/// memory stays within its budget.
#[test]
fn t23_a_crowd_of_members_holds_no_more_than_the_budget() {
    let attacked = crowded();
    let people = scaled(12, 2);
    // 16 MiB is the most that a program may send.
    for (body, _) in dear_bodies(16 * MIB - 1024).into_iter().take(scaled(3, 1)) {
        let refused = hold(&attacked, people, &body);
        let waited = 4 * people - refused;
        assert!((1..=4).contains(&waited), "{waited}");
        attacked.stayed_small();
    }
}
