//! What a server does when it is told to stop.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{answers, friendly, home_with, listed, messages};
use crate::http::{self, SOON};
use crate::program::{Home, Server};
use crate::regressions::provider::{Provider, chunk};

/// How long the stop of a server may take that containers kill after 10 s.
const STOP: Duration = Duration::from_secs(10);

/// Writes a word each tenth of a second for a minute; says nothing at all to `silent`, and a lot at
/// once to `flood`.
fn slow_provider() -> Provider {
    Provider::start(|request| {
        let Some(request) = listed(request)? else {
            return Ok(());
        };
        let question = request.messages().pop().unwrap().1;
        if question.contains("silent") {
            let mut stream = request.event_stream()?;
            return stream.read_to_end(&mut Vec::new()).map(drop);
        }
        let is_flood = question.contains("flood");
        let mut stream = request.event_stream()?;
        let word = if is_flood {
            "word ".repeat(2000)
        } else {
            "word ".to_owned()
        };
        for _ in 0..600 {
            write!(stream, "{}", chunk(&word))?;
            if !is_flood {
                pause(Duration::from_millis(100));
            }
        }
        Ok(())
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pace of a provider, not something that is waited for"
)]
fn pause(length: Duration) {
    thread::sleep(length);
}

/// Asks a question on a thread of its own; its events, and that the answer has begun.
fn ask(server: &Server, token: &str) -> (thread::JoinHandle<Vec<Value>>, mpsc::Receiver<()>) {
    let (begun, has_begun) = mpsc::channel();
    let mut answer = http::ask(&server.address, token, "Tell me a long story.");
    let events = thread::spawn(move || {
        let mut events = Vec::new();
        while let Some(event) = answer.event() {
            if event.name == "text_chunk" {
                _ = begun.send(());
            }
            let mut data = event.data;
            data["event"] = event.name.into();
            events.push(data);
        }
        events
    });
    (events, has_begun)
}

/// Opens a request and reads nothing of its answer.
fn ask_and_read_nothing(server: &Server, token: &str, path: &str, body: &Value) -> TcpStream {
    let body = body.to_string();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    )
    .unwrap();
    stream
}

/// Waits until the provider was asked so often.
fn asked(provider: &Provider, times: usize) {
    let begun = Instant::now();
    while provider.requests().len() < times {
        assert!(begun.elapsed() < SOON, "{}", provider.requests().len());
        thread::yield_now();
    }
}

/// The newest answer, which must have been broken off by the stop.
#[track_caller]
fn part(home: &Home, token: &str) -> String {
    let server = home.serve();
    let all = messages(&server, token);
    let newest = &all[0];
    assert_eq!(newest["role"], "ai", "{all:#?}");
    assert!(newest["metadata"]["interrupted"].is_string(), "{newest:#}");
    newest["content"].as_str().unwrap().to_owned()
}

/// D1: a stop stores the part of each answer that came, in less than 10 s, and exits with 0.
#[test]
fn a_stop_stores_the_part_of_each_answer_that_came() {
    let provider = slow_provider();
    let home = home_with(&provider);
    let people: Vec<_> = (0..3).map(|_| home.member().1).collect();
    let server = home.serve();
    let (one, one_began) = ask(&server, &people[0]);
    let (two, two_began) = ask(&server, &people[1]);
    let question = json!({"model": "lab", "stream": true,
        "messages": [{"role": "user", "content": "Tell me a long story."}]});
    let mut client = ask_and_read_nothing(&server, &people[2], "/v1/chat/completions", &question);
    let mut beginning = [0; 1];
    client.read_exact(&mut beginning).unwrap();
    for began in [one_began, two_began] {
        began.recv_timeout(SOON).unwrap();
    }

    let told = Instant::now();
    assert_eq!(server.stop("TERM"), Some(0));
    assert!(told.elapsed() < STOP, "{:?}", told.elapsed());
    for events in [one, two] {
        let events = events.join().unwrap();
        let last = events.last().unwrap();
        assert_eq!(last["event"], "run_finished", "{last}");
        assert_eq!(last["status"], "interrupted", "{last}");
    }
    for token in &people {
        assert!(part(&home, token).starts_with("word word "), "{token}");
    }
}

/// D1: a person who does not read, and a provider that says nothing, hold no stop up.
#[test]
fn a_stop_waits_neither_for_readers_nor_for_providers() {
    let provider = slow_provider();
    let home = home_with(&provider);
    let people: Vec<_> = (0..2).map(|_| home.member().1).collect();
    let server = home.serve();
    let say = |words: &str| json!({ "content": words });
    let flood = ask_and_read_nothing(&server, &people[0], "/api/v1/chat", &say("flood"));
    let silent = ask_and_read_nothing(&server, &people[1], "/api/v1/chat", &say("silent"));
    asked(&provider, 2);
    let told = Instant::now();
    assert_eq!(server.stop("INT"), Some(0));
    assert!(told.elapsed() < STOP, "{:?}", told.elapsed());
    drop((flood, silent));
    assert!(part(&home, &people[0]).starts_with("word word "));
    let server = home.serve();
    assert_eq!(messages(&server, &people[1]).len(), 1, "the question");
}

/// D1: `--stop-timeout` says how long a stop may take.
#[test]
fn a_shorter_time_to_stop_is_kept() {
    let home = home_with(&slow_provider());
    let (_, token) = home.member();
    let server = home.serve_with(&["--stop-timeout", "2"]);
    let (events, began) = ask(&server, &token);
    began.recv_timeout(SOON).unwrap();
    let told = Instant::now();
    assert_eq!(server.stop("TERM"), Some(0));
    assert!(
        told.elapsed() < Duration::from_secs(5),
        "{:?}",
        told.elapsed()
    );
    events.join().unwrap();
    assert!(part(&home, &token).starts_with("word "));
}

/// D1: a terminal that goes away (SIGHUP) stops nothing.
#[test]
fn a_hangup_stops_nothing() {
    let home = home_with(&friendly());
    let (_, token) = home.member();
    let server = home.serve();
    for _ in 0..3 {
        server.send("HUP");
        answers(&server, &token);
    }
    let begun = Instant::now();
    while !server.log().contains("SIGHUP") {
        assert!(begun.elapsed() < SOON, "{}", server.log());
        thread::yield_now();
    }
    assert_eq!(server.stop("TERM"), Some(0));
}
