//! A model provider that always gives the same answer, in 50 pieces or whole. It does as little as
//! possible, as it shares a core with the load generator.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::http1::Message;

/// How many pieces of text an answer has.
pub(crate) const PIECES: usize = 50;
/// How many of them begin with a space.
pub(crate) const SPACED: usize = PIECES / WORDS.len() * (WORDS.len() - 1);
/// Only the beginning of the last event of a stream: `data: [DONE]`.
pub(crate) const LAST: &str = "data: [DONE]";

const WORDS: [&str; 10] = [
    "The", " river", " bends", " twice", " before", " it", " reaches", " the", " old", " mill.",
];

// Without a group, as two of the same name would meet in the options of a run.
#[derive(clap::Args, Clone, Copy, Debug)]
#[group(skip)]
pub(crate) struct Options {
    /// How long to wait before each piece, in milliseconds. 0 sends the whole answer at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) pace: u64,
}

/// Prints its address, and serves until it is killed.
pub(crate) async fn serve(options: Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    let answer = Arc::new(Answer::new(options));
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        connections.spawn(converse(stream, Arc::clone(&answer)));
    }
}

/// What is sent, piece by piece, each ready to be written.
struct Answer {
    first: Vec<u8>,
    pieces: Vec<Vec<u8>>,
    last: Vec<u8>,
    /// All of it in one message, for who does not ask for a stream.
    whole: Vec<u8>,
    pace: Duration,
    /// The last question, for whoever wants to ask the same.
    asked: Mutex<Vec<u8>>,
}

impl Answer {
    fn new(options: Options) -> Self {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
                    Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
        let role = event(
            &json!({"role": "assistant", "content": "", "refusal": null}),
            None,
        );
        let pieces = (0..PIECES).map(|place| {
            let word = WORDS[place % WORDS.len()];
            chunk(&event(&json!({ "content": word }), None))
        });
        let stop = event(&json!({}), Some("stop"));
        let words = WORDS.iter().cycle().take(PIECES).copied();
        Self {
            first: [head.as_bytes(), &chunk(&role)].concat(),
            pieces: pieces.collect(),
            last: [
                chunk(&stop),
                chunk(&frame(&json!([]), &usage())),
                chunk(&format!("{LAST}\n\n")),
                b"0\r\n\r\n".to_vec(),
            ]
            .concat(),
            whole: whole(
                completion(&words.collect::<String>())
                    .to_string()
                    .as_bytes(),
            ),
            pace: Duration::from_millis(options.pace),
            asked: Mutex::default(),
        }
    }

    fn remember(&self, question: &mut Vec<u8>) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *asked, question);
    }

    fn asked(&self) -> Vec<u8> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }

    async fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        if self.pace.is_zero() {
            let pieces = self.pieces.concat();
            let whole = [&*self.first, &pieces, &self.last].concat();
            return stream.write_all(&whole).await;
        }
        let mut pace = interval(self.pace);
        // A late piece must not be followed at once by the next one.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pace.tick().await;
        stream.write_all(&self.first).await?;
        for piece in &self.pieces {
            pace.tick().await;
            stream.write_all(piece).await?;
        }
        pace.tick().await;
        stream.write_all(&self.last).await
    }
}

async fn converse(mut stream: TcpStream, answer: Arc<Answer>) -> anyhow::Result<()> {
    let mut request = Message::default();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        while !request.is_complete() {
            let count = stream.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            request.feed(&buffer[..count])?;
        }
        let line = request.head.lines().next().context("an empty request")?;
        if line.starts_with("POST ") {
            let streamed = wants_stream(&request.body);
            answer.remember(&mut request.body);
            if streamed {
                answer.send(&mut stream).await?;
            } else {
                stream.write_all(&answer.whole).await?;
            }
        } else if line.starts_with("GET /asked ") {
            let asked = answer.asked();
            stream.write_all(&whole(&asked)).await?;
        } else {
            let models = json!({"object": "list", "data": [{"id": "bench", "object": "model"}]});
            stream
                .write_all(&whole(models.to_string().as_bytes()))
                .await?;
        }
        request.reset();
    }
}

/// Some write a space after the colon.
fn wants_stream(body: &[u8]) -> bool {
    [&br#""stream":true"#[..], br#""stream": true"#]
        .iter()
        .any(|wish| memchr::memmem::find(body, wish).is_some())
}

/// One event of a stream, with everything that a large provider sends along.
fn event(delta: &serde_json::Value, finish_reason: Option<&str>) -> String {
    let choice =
        json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
    frame(&json!([choice]), &serde_json::Value::Null)
}

fn usage() -> serde_json::Value {
    json!({
        "prompt_tokens": 912, "completion_tokens": PIECES, "total_tokens": 912 + PIECES,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0}
    })
}

fn frame(choices: &serde_json::Value, usage: &serde_json::Value) -> String {
    let frame = object("chat.completion.chunk", choices, usage);
    format!("data: {frame}\n\n")
}

/// A whole answer, with everything that a large provider sends along.
fn completion(text: &str) -> serde_json::Value {
    let message = json!({
        "role": "assistant", "content": text, "refusal": null, "annotations": []
    });
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
    object("chat.completion", &json!([choice]), &usage())
}

fn object(kind: &str, choices: &serde_json::Value, usage: &serde_json::Value) -> serde_json::Value {
    json!({
        "id": "chatcmpl-BdWmX4vJq2Lr8sTn5yUk1HcZeRgPa", "object": kind,
        "created": 1_760_000_000, "model": "bench-2026-01-01", "service_tier": "default",
        "system_fingerprint": "fp_62a23a81ef", "choices": choices, "usage": usage
    })
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

fn whole(json: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        json.len()
    );
    [head.as_bytes(), json].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_ask_for_a_stream_gets_the_same_text_in_one_message() {
        assert!(wants_stream(br#"{"stream": true}"#) && wants_stream(br#"{"stream":true}"#));
        assert!(!wants_stream(br#"{"stream":false}"#) && !wants_stream(b"{}"));
        let mut message = Message::default();
        message
            .feed(&Answer::new(Options { pace: 1 }).whole)
            .unwrap();
        assert!(message.is_complete());
        let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
        let text = body["choices"][0]["message"]["content"].as_str().unwrap();
        assert_eq!(text.split(' ').count(), PIECES - PIECES / WORDS.len() + 1);
    }

    #[test]
    fn the_answer_is_one_message_with_all_pieces_and_an_end() {
        let answer = Answer::new(Options { pace: 1 });
        let mut message = Message::default();
        message.feed(&answer.first).unwrap();
        for piece in &answer.pieces {
            assert!(!message.is_complete());
            message.feed(piece).unwrap();
        }
        message.feed(&answer.last).unwrap();
        assert!(message.is_complete());
        let body = String::from_utf8(message.body).unwrap();
        assert!(body.ends_with("data: [DONE]\n\n"));
        assert_eq!(body.matches(r#""content":" "#).count(), SPACED);
        // The role, the pieces, the reason of the end, the usage, the end.
        assert_eq!(body.matches("data: ").count(), 1 + PIECES + 3);
        for event in body.split_terminator("\n\n").take(PIECES + 3) {
            let json = event.strip_prefix("data: ").unwrap();
            let event: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(event["object"], "chat.completion.chunk");
        }
    }
}
