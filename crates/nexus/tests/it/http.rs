//! A small HTTP client. It speaks HTTP/1.0, so that an answer ends where the connection ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nexus_core::auth::SigningKey;
use nexus_core::auth::request::{Content, SignatureTerms, Target, sign};
use nexus_core::{Clock as _, SystemClock};
use serde_json::{Value, json};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// An answer whose body is still to be read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    body: BufReader<TcpStream>,
}

/// One event of a stream.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// Sends exactly these headers, and takes the answer as JSON.
pub(crate) fn call(
    address: &str,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value) {
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let head = lines.fold(format!("{line} HTTP/1.0\r\n"), |head, line| head + &line);
    let length = body.len();
    let answer = exchange(
        address,
        &format!("{head}content-length: {length}\r\n\r\n{body}"),
    );
    (answer.status, answer.json())
}

fn send(address: &str, head: &str, token: Option<&str>, body: &str) -> Answer {
    let authorization =
        token.map_or_else(String::new, |it| format!("authorization: Bearer {it}\r\n"));
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.0\r\nhost: {address}\r\n{authorization}content-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    exchange(address, &request)
}

/// Sends this, and reads the head of the answer.
fn exchange(address: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut body = BufReader::new(stream);
    let mut line = String::new();
    body.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    while line != "\r\n" {
        line.clear();
        body.read_line(&mut line).unwrap();
    }
    Answer { status, body }
}

pub(crate) fn get(address: &str, path: &str, token: Option<&str>) -> (u16, Value) {
    let answer = send(address, &format!("GET {path}"), token, "");
    (answer.status, answer.json())
}

pub(crate) fn put(address: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let answer = send(
        address,
        &format!("PUT {path}"),
        Some(token),
        &body.to_string(),
    );
    (answer.status, answer.json())
}

/// Sends JSON by any method.
pub(crate) fn send_as(
    address: &str,
    method: &str,
    path: &str,
    token: &str,
    body: &Value,
) -> (u16, Value) {
    let head = format!("{method} {path}");
    let answer = send(address, &head, Some(token), &body.to_string());
    (answer.status, answer.json())
}

pub(crate) fn delete(address: &str, path: &str, token: &str) -> (u16, Value) {
    let answer = send(address, &format!("DELETE {path}"), Some(token), "");
    (answer.status, answer.json())
}

/// Puts JSON with a fresh signature of the key of the token.
pub(crate) fn put_signed(
    address: &str,
    path: &str,
    person: (&SigningKey, &str),
    body: &Value,
) -> (u16, Value) {
    signed(address, ("PUT", path), person, &body.to_string())
}

/// Posts JSON with a fresh signature of the key of the token.
pub(crate) fn post_signed(
    address: &str,
    path: &str,
    person: (&SigningKey, &str),
    body: &Value,
) -> (u16, Value) {
    signed(address, ("POST", path), person, &body.to_string())
}

pub(crate) fn delete_signed(
    address: &str,
    path: &str,
    person: (&SigningKey, &str),
) -> (u16, Value) {
    signed(address, ("DELETE", path), person, "{}")
}

fn signed(
    address: &str,
    (method, path): (&str, &str),
    (key, token): (&SigningKey, &str),
    body: &str,
) -> (u16, Value) {
    const JSON: &str = "application/json";
    let target = Target {
        method,
        authority: address,
        path,
        query: None,
    };
    let content = Content {
        media_type: JSON,
        body: body.as_bytes(),
    };
    let terms = SignatureTerms::new(1, SystemClock.now()).unwrap();
    let signature = sign(key, target, Some(&content), &terms).unwrap();
    let authorization = format!("Bearer {token}");
    let mut headers = vec![
        ("host", address),
        ("content-type", JSON),
        ("authorization", &authorization),
    ];
    headers.extend(signature.iter());
    call(address, &format!("{method} {path}"), &headers, body)
}

/// Sends JSON; the answer is still to be read.
pub(crate) fn post(address: &str, path: &str, token: &str, body: &Value) -> Answer {
    send(
        address,
        &format!("POST {path}"),
        Some(token),
        &body.to_string(),
    )
}

/// Asks a question.
pub(crate) fn ask(address: &str, token: &str, content: &str) -> Answer {
    let body = json!({ "content": content }).to_string();
    send(address, "POST /api/v1/chat", Some(token), &body)
}

/// Asks a question and reads all events of the answer.
#[track_caller]
pub(crate) fn chat(address: &str, token: &str, content: &str) -> Vec<Event> {
    let answer = ask(address, token, content);
    assert_eq!(answer.status, 200);
    answer.rest()
}

/// The last event, which says how a run ended.
#[track_caller]
pub(crate) fn finished(events: &[Event]) -> &Value {
    let last = events.last().unwrap();
    assert_eq!(last.name, "run_finished", "{events:?}");
    &last.data
}

/// The text of an answer.
pub(crate) fn text(events: &[Event]) -> String {
    let chunks = events.iter().filter(|event| event.name == "text_chunk");
    chunks
        .map(|event| event.data["chunk"].as_str().unwrap())
        .collect()
}

/// What takes effect within a second on a machine that has nothing else to do. Tests are patient:
/// they are about what happens, not about how busy their machine is.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Asks until the answer is as it should be.
#[track_caller]
pub(crate) fn soon(address: &str, path: &str, token: &str, is: impl Fn(&Value) -> bool) {
    let begun = Instant::now();
    loop {
        let (status, answer) = get(address, path, Some(token));
        if status == 200 && is(&answer) {
            return;
        }
        assert!(begun.elapsed() < SOON, "{answer:#}");
    }
}

impl Answer {
    fn json(mut self) -> Value {
        let mut text = String::new();
        self.body.read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    /// The events that are still to come.
    pub(crate) fn rest(mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.event()).collect()
    }

    /// The next event, or the end.
    pub(crate) fn event(&mut self) -> Option<Event> {
        let (mut name, mut data) = (None, None);
        for line in self.body.by_ref().lines() {
            let line = line.unwrap();
            if let Some(text) = line.strip_prefix("event: ") {
                name = Some(text.to_owned());
            } else if let Some(text) = line.strip_prefix("data: ") {
                data = Some(serde_json::from_str(text).unwrap());
            } else if let (true, Some(name), Some(data)) =
                (line.is_empty(), name.take(), data.take())
            {
                return Some(Event { name, data });
            }
        }
        None
    }
}
