//! A provider whose answers are decided by a closure of the test.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// A server of OpenAI's protocol. It stops with the test's process.
pub(crate) struct Provider {
    pub(crate) base_url: String,
    requests: Arc<Mutex<Vec<Value>>>,
}

/// One request of Nexus.
pub(crate) struct Request {
    /// `POST /v1/chat/completions`, say.
    pub(crate) line: String,
    /// `null` where there was none.
    pub(crate) body: Value,
    stream: TcpStream,
}

impl Provider {
    /// Answers each request on a thread of its own, as `reply` says.
    pub(crate) fn start(reply: impl Fn(Request) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Value>>>::default();
        let (seen, reply) = (Arc::clone(&requests), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, reply) = (Arc::clone(&seen), Arc::clone(&reply));
                thread::spawn(move || {
                    let request = Request::read(stream?)?;
                    if !request.body.is_null() {
                        seen.lock().unwrap().push(request.body.clone());
                    }
                    reply(request)
                });
            }
        });
        Self { base_url, requests }
    }

    /// The bodies of all requests so far, in order of arrival.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }
}

impl Request {
    fn read(stream: TcpStream) -> io::Result<Self> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header == "\r\n" {
                break;
            }
            let (name, value) = header.trim_end().split_once(": ").unwrap_or_default();
            let name = name.to_ascii_lowercase();
            if name == "content-length" {
                length = value.parse().unwrap_or_default();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Self {
            line: line.trim_end().to_owned(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
            stream,
        })
    }

    /// The texts of all messages of the request, role by role.
    pub(crate) fn messages(&self) -> Vec<(String, String)> {
        let messages = self.body["messages"].as_array().into_iter().flatten();
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        messages
            .map(|message| (text(&message["role"]), text(&message["content"])))
            .collect()
    }

    /// Answers nothing for as long as somebody waits for it.
    pub(crate) fn hold(mut self) -> io::Result<()> {
        io::copy(&mut self.stream, &mut io::sink()).map(|_| ())
    }

    /// Answers with JSON.
    pub(crate) fn json(mut self, status: u16, body: &Value) -> io::Result<()> {
        let body = body.to_string();
        write!(
            self.stream,
            "HTTP/1.1 {status} It\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Begins an event stream; what is written afterwards are its events. The answer ends where the
    /// stream is dropped.
    pub(crate) fn event_stream(mut self) -> io::Result<TcpStream> {
        write!(
            self.stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        )?;
        Ok(self.stream)
    }

    /// Answers with a text, streamed or whole as the request wants it, and counts its tokens.
    pub(crate) fn say(
        self,
        text: &str,
        prompt_tokens: u64,
        completion_tokens: u64,
    ) -> io::Result<()> {
        let usage = json!({
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        });
        if self.body["stream"] != true {
            let message = json!({"role": "assistant", "content": text});
            let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
            let answer = json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "m",
                "choices": [choice], "usage": usage});
            return self.json(200, &answer);
        }
        let mut stream = self.event_stream()?;
        write!(stream, "{}{}", chunk(text), end(Some(&usage)))
    }
}

/// An event with a piece of text.
pub(crate) fn chunk(text: &str) -> String {
    let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": null});
    event(
        &json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [choice]}),
    )
}

/// The end of a stream, with the usage that the provider counted.
pub(crate) fn end(usage: Option<&Value>) -> String {
    let choice = json!({"index": 0, "delta": {}, "finish_reason": "stop"});
    let mut events = event(
        &json!({"id": "c1", "object": "chat.completion.chunk", "created": 1,
        "model": "m", "choices": [choice]}),
    );
    if let Some(usage) = usage {
        events += &event(
            &json!({"id": "c1", "object": "chat.completion.chunk", "created": 1,
            "model": "m", "choices": [], "usage": usage}),
        );
    }
    events + "data: [DONE]\n\n"
}

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}
