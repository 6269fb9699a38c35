//! A provider that answers as the question says, and remembers what it was asked. It speaks OpenAI's
//! protocol, refuses what OpenAI refuses so that clients can be tried with it alone, and speaks
//! Anthropic's protocol too.

mod anthropic;
mod openai;

use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::http::SOON;

/// The one model that it has.
pub(crate) const MODEL: &str = "lab-1";
/// The one key that it knows.
pub(crate) const KEY: &str = "sk-of-the-lab";

/// The answer to most questions. It is streamed word by word.
const HELLO: &str = "Hello from the lab.";

pub(crate) struct Scripted {
    pub(crate) base_url: String,
    seen: Arc<Seen>,
}

/// What happened so far.
#[derive(Default)]
struct Seen {
    asked: Mutex<Vec<Value>>,
    /// Questions that are answered only the second time.
    failed: Mutex<HashSet<String>>,
    /// How many readers of an endless answer hung up.
    left: Mutex<usize>,
    someone_left: Condvar,
}

impl Scripted {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen = Arc::<Seen>::default();
        let all = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let seen = Arc::clone(&all);
                // A client may hang up whenever it likes.
                thread::spawn(move || _ = converse(stream.unwrap(), &seen));
            }
        });
        Self { base_url, seen }
    }

    /// The bodies of the chat requests since the last look.
    pub(crate) fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut self.seen.asked.lock().unwrap())
    }

    /// Waits until so many readers of an endless answer hung up.
    #[track_caller]
    pub(crate) fn wait_until_left(&self, readers: usize) {
        let left = self.seen.left.lock().unwrap();
        let (left, _) = self
            .seen
            .someone_left
            .wait_timeout_while(left, SOON, |left| *left < readers)
            .unwrap();
        assert_eq!(*left, readers, "nobody told the provider to stop");
    }
}

/// What it does about a question.
enum Act {
    Refuse(u16, &'static str, Option<&'static str>),
    /// A refusal with a `Retry-After` of one second.
    BeBusy,
    Say(Message),
    /// One word, and then the connection ends.
    BreakOff,
    /// One word, and then nothing until the reader hangs up.
    GoOn,
}

/// What it says, or the tools that it wants to be called, each by its id and with its arguments.
enum Message {
    Text(String),
    Calls([(&'static str, Value); 2]),
}

/// What goes over the wire.
enum Reply {
    Json(u16, Value),
    Busy(Value),
    /// The text of a stream.
    Stream(String),
    Broken(String),
    Endless(String),
}

fn converse(stream: TcpStream, seen: &Seen) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let header = |wanted: &str| {
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let bearer = header("authorization").and_then(|it| it.strip_prefix("Bearer "));
    let is_known = bearer.or_else(|| header("x-api-key")) == Some(KEY);
    let asked = || -> Value {
        let request: Value = serde_json::from_slice(&body).unwrap();
        seen.asked.lock().unwrap().push(request.clone());
        request
    };
    let reply = if !is_known {
        let wrong = "Incorrect API key provided.";
        openai::reply(
            &Act::Refuse(401, wrong, Some("invalid_api_key")),
            &Value::Null,
        )
    } else if head.starts_with("GET /v1/models") {
        openai::models(&head)
    } else if head.starts_with("POST /v1/messages ") {
        let request = asked();
        anthropic::reply(&act(&anthropic::understood(&request), seen), &request)
    } else {
        let request = asked();
        openai::reply(&act(&request, seen), &request)
    };
    send(&mut stream, &mut reader, reply, seen)
}

fn send(
    stream: &mut TcpStream,
    reader: &mut BufReader<TcpStream>,
    reply: Reply,
    seen: &Seen,
) -> io::Result<()> {
    const STREAM: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    // Without `connection: close`: with it, Node takes any end for the end.
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                           transfer-encoding: chunked\r\n\r\n";
    match reply {
        Reply::Json(status, body) => write!(stream, "{}", whole(status, "", &body)),
        Reply::Busy(body) => write!(stream, "{}", whole(429, "retry-after: 1\r\n", &body)),
        Reply::Stream(events) => write!(stream, "{STREAM}{events}"),
        // The last chunk of the transfer never comes.
        Reply::Broken(events) => write!(stream, "{CHUNKED}{:x}\r\n{events}\r\n", events.len()),
        Reply::Endless(events) => {
            write!(stream, "{STREAM}{events}")?;
            // The rest of the request, and then the end of the connection.
            _ = reader.read_to_end(&mut Vec::new());
            *seen.left.lock().unwrap() += 1;
            seen.someone_left.notify_all();
            Ok(())
        }
    }
}

fn whole(status: u16, headers: &str, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} It\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}\
         content-length: {length}\r\n\r\n{body}"
    )
}

/// `request` is in OpenAI's form.
fn act(request: &Value, seen: &Seen) -> Act {
    let messages = request["messages"].as_array().unwrap();
    if request["model"] != MODEL {
        return Act::Refuse(404, "There is no such model.", Some("model_not_found"));
    }
    let Some(last) = messages.last() else {
        return Act::Refuse(400, "There are no messages.", None);
    };
    if request.get("temperature").is_some_and(|it| !it.is_number()) {
        return Act::Refuse(400, "The temperature is not a number.", None);
    }
    let question = last["content"].as_str().unwrap_or_default();
    let is_first = |question: &str| seen.failed.lock().unwrap().insert(question.to_owned());
    match question {
        "fail once" | "fail once, streaming" if is_first(question) => {
            Act::Refuse(503, "Not now.", None)
        }
        "be busy once" if is_first(question) => Act::BeBusy,
        "be down" => Act::Refuse(503, "Not today.", None),
        "break off" => Act::BreakOff,
        "go on forever" => Act::GoOn,
        _ => Act::Say(message(request, messages)),
    }
}

fn message(request: &Value, messages: &[Value]) -> Message {
    let results = messages.iter().filter(|it| it["role"] == "tool");
    let results: Vec<_> = results.filter_map(|it| it["content"].as_str()).collect();
    let image = messages
        .last()
        .and_then(|it| it.pointer("/content/1/image_url/url")?.as_str());
    if !results.is_empty() {
        Message::Text(format!("There is {}.", results.join(" and ")))
    } else if request["tools"].is_array() {
        Message::Calls([
            ("call_1", json!({"city": "Paris"})),
            ("call_2", json!({"city": "Rome"})),
        ])
    } else if request["response_format"]["type"] == "json_schema" {
        Message::Text(r#"{"city": "Paris", "degrees": 21}"#.to_owned())
    } else if let Some(url) = image {
        Message::Text(format!("An image: {url}"))
    } else {
        Message::Text(HELLO.to_owned())
    }
}
