//! A provider of OpenAI's protocol that answers as the question says, and remembers what it was
//! asked. It refuses what OpenAI refuses, so that clients can be tried with it alone.

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

/// How a question is answered.
enum Reply {
    Json(u16, Value),
    /// With a `Retry-After` of one second.
    Busy(Value),
    Stream(Vec<Value>),
    /// One piece, and then the connection ends.
    Broken(Value),
    /// One piece, and then nothing until the reader hangs up.
    Endless(Value),
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
    let reply = if header("authorization") != Some(&format!("Bearer {KEY}")) {
        error(401, "Incorrect API key provided.", Some("invalid_api_key"))
    } else if head.starts_with("GET /v1/models") {
        models(&head)
    } else if head.starts_with("POST /v1/chat/completions ") {
        let request: Value = serde_json::from_slice(&body).unwrap();
        seen.asked.lock().unwrap().push(request.clone());
        answer(&request, seen)
    } else {
        error(404, "Not found.", None)
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
        Reply::Stream(chunks) => {
            let events: String = chunks.iter().map(event).collect();
            write!(stream, "{STREAM}{events}data: [DONE]\n\n")
        }
        Reply::Broken(chunk) => {
            let event = event(&chunk);
            // The last chunk of the transfer never comes.
            write!(stream, "{CHUNKED}{:x}\r\n{event}\r\n", event.len())
        }
        Reply::Endless(chunk) => {
            write!(stream, "{STREAM}{}", event(&chunk))?;
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

fn event(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

fn error(status: u16, message: &str, code: Option<&str>) -> Reply {
    Reply::Json(status, error_body(message, code))
}

fn error_body(message: &str, code: Option<&str>) -> Value {
    json!({"error": {
        "message": message, "type": "invalid_request_error", "param": null, "code": code
    }})
}

fn models(head: &str) -> Reply {
    let model =
        json!({"id": MODEL, "object": "model", "created": 1_760_000_000, "owned_by": "lab"});
    if head.starts_with("GET /v1/models ") {
        Reply::Json(200, json!({"object": "list", "data": [model]}))
    } else if head.starts_with(&format!("GET /v1/models/{MODEL} ")) {
        Reply::Json(200, model)
    } else {
        error(404, "There is no such model.", Some("model_not_found"))
    }
}

fn answer(request: &Value, seen: &Seen) -> Reply {
    let messages = request["messages"].as_array().unwrap();
    if request["model"] != MODEL {
        return error(404, "There is no such model.", Some("model_not_found"));
    }
    let Some(last) = messages.last() else {
        return error(400, "There are no messages.", None);
    };
    if request.get("temperature").is_some_and(|it| !it.is_number()) {
        return error(400, "The temperature is not a number.", None);
    }
    let question = last["content"].as_str().unwrap_or_default();
    let is_first = |question: &str| seen.failed.lock().unwrap().insert(question.to_owned());
    if question.starts_with("fail once") && is_first(question) {
        return error(503, "Not now.", None);
    }
    if question == "be busy once" && is_first(question) {
        return Reply::Busy(error_body("Slow down.", Some("rate_limit_exceeded")));
    }
    match question {
        "be down" => error(503, "Not today.", None),
        "break off" => Reply::Broken(chunk(&json!({"content": "Hello "}), None)),
        "go on forever" => Reply::Endless(chunk(&json!({"content": "Hello "}), None)),
        _ if request["stream"] == true => Reply::Stream(streamed(request)),
        _ => Reply::Json(200, at_once(request)),
    }
}

/// What it says, or the tools that it wants to be called.
enum Message {
    Text(String),
    Calls(Vec<Value>),
}

fn message(request: &Value) -> Message {
    let messages = request["messages"].as_array().unwrap();
    let results = messages.iter().filter(|it| it["role"] == "tool");
    let results: Vec<_> = results.filter_map(|it| it["content"].as_str()).collect();
    let image = messages
        .last()
        .and_then(|it| it.pointer("/content/1/image_url/url")?.as_str());
    if !results.is_empty() {
        Message::Text(format!("There is {}.", results.join(" and ")))
    } else if request.get("tools").is_some() {
        Message::Calls(vec![
            call("call_1", &json!({"city": "Paris"})),
            call("call_2", &json!({"city": "Rome"})),
        ])
    } else if request["response_format"]["type"] == "json_schema" {
        Message::Text(r#"{"city": "Paris", "degrees": 21}"#.to_owned())
    } else if let Some(url) = image {
        Message::Text(format!("An image: {url}"))
    } else {
        Message::Text(HELLO.to_owned())
    }
}

fn call(id: &str, arguments: &Value) -> Value {
    let function = json!({"name": "get_weather", "arguments": arguments.to_string()});
    json!({"id": id, "type": "function", "function": function})
}

fn at_once(request: &Value) -> Value {
    let (message, finish) = match message(request) {
        Message::Text(text) => (json!({"role": "assistant", "content": text}), "stop"),
        Message::Calls(calls) => (
            json!({"role": "assistant", "content": null, "tool_calls": calls}),
            "tool_calls",
        ),
    };
    let token = json!({"token": "Hello", "logprob": -0.1, "bytes": null, "top_logprobs": []});
    let logprobs = (request["logprobs"] == true).then(|| json!({"content": [token]}));
    let choices = 0..request["n"].as_u64().unwrap_or(1);
    let choices: Vec<_> = choices
        .map(|index| {
            json!({
                "index": index, "message": message, "logprobs": logprobs, "finish_reason": finish
            })
        })
        .collect();
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_760_000_000, "model": MODEL,
        "choices": choices, "usage": usage()
    })
}

fn streamed(request: &Value) -> Vec<Value> {
    let mut chunks = vec![chunk(&json!({"role": "assistant", "content": ""}), None)];
    let finish = match message(request) {
        Message::Text(text) => {
            let pieces = text.split_inclusive(' ');
            chunks.extend(pieces.map(|piece| chunk(&json!({"content": piece}), None)));
            "stop"
        }
        Message::Calls(calls) => {
            for (index, mut call) in calls.into_iter().enumerate() {
                let arguments = call["function"]["arguments"].take();
                call["index"] = index.into();
                call["function"]["arguments"] = "".into();
                chunks.push(chunk(&json!({"tool_calls": [call]}), None));
                // The arguments come in two parts.
                let (one, two) = arguments.as_str().unwrap().split_at(5);
                for part in [one, two] {
                    let part = json!({"index": index, "function": {"arguments": part}});
                    chunks.push(chunk(&json!({"tool_calls": [part]}), None));
                }
            }
            "tool_calls"
        }
    };
    chunks.push(chunk(&json!({}), Some(finish)));
    if request["stream_options"]["include_usage"] == true {
        let mut last = chunk(&json!({}), None);
        last["choices"] = json!([]);
        last["usage"] = usage();
        chunks.push(last);
    }
    chunks
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_760_000_000,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]
    })
}

fn usage() -> Value {
    json!({"prompt_tokens": 12, "completion_tokens": 4, "total_tokens": 16})
}
