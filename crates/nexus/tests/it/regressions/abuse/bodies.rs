//! Bodies that are cheap to send and dear to read or to keep.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::json;

use super::{Attacked, code, post, post_many, scaled};
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

/// S2: requests that wait for a provider hold memory within one budget, of which one member has a
/// quarter; what ends gives it back.
#[test]
fn t23_requests_that_wait_hold_memory_within_one_budget() {
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

    // Long texts, in three forms, for a provider that does not answer.
    let long = "x".repeat(11 * MIB);
    for (place, message) in [
        json!({"role": "assistant", "content": long}),
        json!({"role": "user", "content": [{"type": "image_url",
            "image_url": {"url": format!("data:image/png;base64,{long}")}}]}),
        json!({"role": "user", "content": [{"type": "text", "text": long}]}),
    ]
    .into_iter()
    .enumerate()
    {
        let question = json!({"role": "user", "content": "wait"});
        let body = json!({"model": "m", "messages": [message, question]});
        let body = Arc::new(body.to_string().into_bytes());
        let person: Vec<_> = (0..2).map(|_| attacked.home.member().1).collect();
        let tokens: Vec<_> = person.iter().flat_map(|it| vec![it.clone(); 4]).collect();
        let waiting: Vec<_> = tokens
            .iter()
            .map(|token| {
                let length = body.len();
                let mut upload =
                    super::Upload::begin(attacked.address(), COMPLETIONS, token, length);
                _ = upload.send(&body);
                upload
            })
            .collect();
        // Two of each wait, until the provider took too long; the others were told.
        let mut refused = 0;
        attacked.while_others_work(|| {
            for upload in waiting {
                let patience = Some(std::time::Duration::from_secs(4));
                upload.stream.set_read_timeout(patience).unwrap();
                let Ok(reply) = upload.reply() else { continue };
                if code(&reply) == "overloaded" {
                    assert_eq!(reply.status, 503);
                    assert!(reply.head.to_ascii_lowercase().contains("retry-after: "));
                    refused += 1;
                } else {
                    assert!(code(&reply).starts_with("provider_"), "{reply:?}");
                }
            }
        });
        assert!((2..=6).contains(&refused), "form {place}: {refused}");
        attacked.stayed_small();
        // Their clients have left: there is room again.
        let small = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]});
        let (small, address) = (small.to_string(), attacked.address());
        let begun = std::time::Instant::now();
        loop {
            let reply = post(address, COMPLETIONS, &person[0], small.as_bytes()).unwrap();
            // Their provider may be left alone for a while.
            if reply.status == 200 || code(&reply).starts_with("provider_") {
                break;
            }
            assert!(begun.elapsed() < http::SOON, "{reply:?}");
        }
    }
}
