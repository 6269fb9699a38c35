//! Reading much, and leaving it unread.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Attacked, code, post, scaled};
use crate::http;

/// The most that a page of messages holds, beside its last message.
const PAGE: usize = 1024 * 1024;

/// Stores so many long questions of somebody, each with a word of its own at its end.
fn fill(attacked: &Attacked, token: &str, count: usize, length: usize) {
    for number in 0..count {
        let question = format!("{}{number}", "x".repeat(length - 8));
        let body = json!({"model": "m", "messages": [{"role": "user", "content": question}]});
        let body = body.to_string();
        let path = "/v1/chat/completions";
        let reply = post(attacked.address(), path, token, body.as_bytes()).unwrap();
        assert_eq!(reply.status, 200, "{}", code(&reply));
    }
}

/// Asks, and reads nothing of the answer.
fn leave_unread(address: &str, path: &str, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n"
    )
    .unwrap();
    stream
}

/// S6: a page of messages is bounded in bytes too, and the pages together hold every message once.
#[test]
fn t33_pages_are_bounded_in_bytes_and_lose_nothing() {
    let attacked = Attacked::begin("");
    let member = attacked.home.member().1;
    fill(&attacked, &member, 12, 300 * 1024);
    fill(&attacked, &member, 2, PAGE);
    fill(&attacked, &member, 30, 1024);
    let (mut cursor, mut seen, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let path = format!("/api/v1/messages?limit=100{cursor}");
        let (status, page) = http::get(attacked.address(), &path, Some(&member));
        assert_eq!(status, 200, "{page}");
        let messages = page["messages"].as_array().unwrap();
        assert!(!messages.is_empty());
        let lengths = messages
            .iter()
            .map(|it| it["content"].as_str().unwrap().len());
        let all_but_the_last: usize = lengths.take(messages.len() - 1).sum();
        assert!(all_but_the_last <= PAGE, "{all_but_the_last}");
        seen.extend(
            messages
                .iter()
                .map(|it| it["id"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    // A question and an answer each.
    assert_eq!(seen.len(), 2 * (12 + 2 + 30));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 2 * (12 + 2 + 30));
    assert!(pages >= 6, "{pages}");
}

/// S6: exports and pages that are asked for and not read take little.
#[test]
fn t33_what_is_left_unread_takes_little() {
    let attacked = Attacked::begin("");
    let (address, member) = (attacked.address(), attacked.home.member().1);
    fill(&attacked, &member, scaled(48, 24), PAGE);
    let count = scaled(60, 60);
    for path in ["/api/v1/export", "/api/v1/messages?limit=100"] {
        let unread: Vec<_> = (0..count)
            .map(|_| leave_unread(address, path, &member))
            .collect();
        attacked.while_others_work(|| {
            if path == "/api/v1/export" {
                // The first one waits for its reader.
                let (status, refused) = http::get(address, path, Some(&member));
                assert_eq!(status, 429, "{refused}");
                assert_eq!(refused["error"]["code"], "export_in_progress");
            }
        });
        // As many as are asked for are under way before anybody leaves.
        for _ in 0..20 {
            http::get(address, "/api/v1/auth/session", Some(&member));
        }
        attacked.stayed_small();
        drop(unread);
    }
    // Who left makes room.
    let begun = std::time::Instant::now();
    loop {
        let (status, bundle) = http::get(address, "/api/v1/export", Some(&member));
        if status == 200 {
            assert!(bundle.as_str().unwrap().contains(r#""kind":"end""#));
            break;
        }
        assert!(begun.elapsed() < http::SOON, "{bundle}");
    }
    attacked.stayed_small();
}

/// What the provider counted is what is stored, whoever was refused meanwhile.
#[test]
fn usage_is_what_the_provider_counted() {
    let attacked = Attacked::begin("concurrent_runs: 2,");
    let (address, member) = (attacked.address(), attacked.home.member().1);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]});
    let body = std::sync::Arc::new(body.to_string().into_bytes());
    let tokens = vec![member.clone(); 24];
    let path = "/v1/chat/completions";
    let replies = super::post_many((address, path), &tokens, &body);
    let statuses: Vec<_> = replies.into_iter().map(|it| it.unwrap().status).collect();
    let answered = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!(answered + refused, 24, "{statuses:?}");
    assert!(answered >= 2);
    super::used(address, &member, answered);
}
