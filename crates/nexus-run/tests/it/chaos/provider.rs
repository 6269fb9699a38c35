//! A provider over raw TCP that answers byte by byte, drips, floods, falls silent and breaks off.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::ANSWER;

/// One thing that the provider does after it has read a request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Send(Vec<u8>),
    /// Byte by byte, with a pause after each.
    Drip(Vec<u8>, Duration),
    /// The same again and again, with a pause after each, as long as the other side takes it.
    Flood(Vec<u8>, Duration),
    /// Closes in good order.
    Close,
    /// Closes so that the other side sees a reset.
    Reset,
    /// Says nothing more until the other side leaves.
    Hold,
}

/// A request as it arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Counted from 0.
    pub(super) number: usize,
    /// Whether a stream is wanted.
    pub(super) streams: bool,
}

type Script = dyn Fn(Asked) -> Vec<Act> + Send + Sync;

/// The running provider. It stops when it is dropped.
pub(super) struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    script: Box<Script>,
    asked: AtomicUsize,
    /// Bytes of floods that the other side took.
    taken: AtomicUsize,
    left: Notify,
}

impl Provider {
    pub(super) async fn start(script: impl Fn(Asked) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            asked: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            left: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        let server = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                connections.spawn(serve(stream, Arc::clone(&server)));
            }
        });
        Self {
            address,
            shared,
            _tasks: tasks,
        }
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How many requests came.
    pub(super) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    pub(super) fn taken(&self) -> usize {
        self.shared.taken.load(Ordering::SeqCst)
    }

    /// Waits until a client has left while the provider was still at it.
    pub(super) async fn client_left(&self) {
        self.shared.left.notified().await;
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    while let Some(body) = read_request(&mut stream).await {
        let asked = Asked {
            number: shared.asked.fetch_add(1, Ordering::SeqCst),
            streams: body["stream"] == json!(true),
        };
        for act in (shared.script)(asked) {
            if !perform(&mut stream, act, &shared).await {
                return;
            }
        }
    }
}

/// Whether the connection goes on.
async fn perform(stream: &mut TcpStream, act: Act, shared: &Shared) -> bool {
    match act {
        Act::Send(bytes) => stream.write_all(&bytes).await.is_ok(),
        Act::Drip(bytes, pause) => {
            for byte in bytes {
                if stream.write_all(&[byte]).await.is_err() {
                    return false;
                }
                tokio::time::sleep(pause).await;
            }
            true
        }
        Act::Flood(bytes, pause) => {
            while let Ok(count) = stream.write(&bytes).await {
                shared.taken.fetch_add(count, Ordering::SeqCst);
                tokio::time::sleep(pause).await;
            }
            shared.left.notify_one();
            false
        }
        Act::Close => false,
        Act::Reset => {
            stream.set_zero_linger().unwrap();
            false
        }
        Act::Hold => {
            // A client sends nothing while it waits: this ends when it leaves.
            let _ = stream.read(&mut [0]).await;
            shared.left.notify_one();
            false
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = bytes.split_off(head_end);
    let head = String::from_utf8(bytes).unwrap().to_ascii_lowercase();
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.trim().parse().unwrap());
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(serde_json::from_slice(&body).unwrap_or_default())
}

/// A whole answer.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> Vec<Act> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    vec![Act::Send([head.as_bytes(), body.as_bytes()].concat())]
}

pub(super) fn status(status: &str) -> Vec<Act> {
    answer(status, "content-type: application/json\r\n", "{}")
}

pub(super) fn json_body(body: &str) -> Vec<Act> {
    answer("200 OK", "content-type: application/json\r\n", body)
}

/// A streamed answer, with this text as its body.
pub(super) fn events(body: &str) -> Vec<Act> {
    answer("200 OK", "content-type: text/event-stream\r\n", body)
}

/// The head of a streamed answer whose body has no end yet.
pub(super) fn head(content_type: &str) -> Act {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    Act::Send(head.into_bytes())
}

/// One chunk of such a body.
pub(super) fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// One event with a piece of text.
pub(super) fn piece(text: &str) -> String {
    format!(
        "data: {}\n\n",
        json!({"choices": [{"delta": {"content": text}}]})
    )
}

/// The events of [`ANSWER`].
pub(super) fn good_events() -> String {
    let stop = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
    let pieces: String = ANSWER.split_inclusive(' ').map(piece).collect();
    format!("{pieces}data: {stop}\n\ndata: [DONE]\n\n")
}

/// [`ANSWER`] in one piece.
pub(super) fn good_body() -> String {
    let choice = json!({"message": {"content": ANSWER}, "finish_reason": "stop"});
    json!({"choices": [choice]}).to_string()
}

pub(super) fn answers_well(asked: Asked) -> Vec<Act> {
    if asked.streams {
        events(&good_events())
    } else {
        json_body(&good_body())
    }
}
