//! A provider over raw TCP: it answers byte by byte, falls silent, breaks off and resets as told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// One thing that the provider does after it has read a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Send(Vec<u8>),
    /// Closes in good order.
    Close,
    /// Closes so that the other side sees a reset.
    Reset,
    /// Says nothing more until the other side leaves.
    Hold,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Which connection it came over, counted from 0.
    pub(crate) connection: usize,
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// The running provider. It stops when it is dropped.
pub(crate) struct Double {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    script: Mutex<VecDeque<Vec<Act>>>,
    received: Mutex<Vec<Received>>,
    left: Notify,
}

impl Double {
    /// Answers the first request with the first acts, and so on; connections stay open in between.
    pub(crate) async fn start(script: impl IntoIterator<Item = Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        shared.script.lock().unwrap().extend(script);
        let mut tasks = JoinSet::new();
        let server = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let (stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("nodelay");
                connections.spawn(serve(stream, number, Arc::clone(&server)));
            }
        });
        Self {
            address,
            shared,
            _tasks: tasks,
        }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits until a client has left a connection on which [`Act::Hold`] holds.
    pub(crate) async fn client_left(&self) {
        self.shared.left.notified().await;
    }
}

async fn serve(mut stream: TcpStream, connection: usize, shared: Arc<Shared>) {
    while let Some((head, body)) = read_request(&mut stream).await {
        shared.received.lock().unwrap().push(Received {
            connection,
            head,
            body,
        });
        let acts = shared
            .script
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_default();
        for act in acts {
            match act {
                Act::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Act::Close => return,
                Act::Reset => {
                    stream.set_zero_linger().expect("linger");
                    return;
                }
                Act::Hold => {
                    // A client sends nothing while it waits: this ends when it leaves.
                    let _ = stream.read(&mut [0]).await;
                    shared.left.notify_one();
                    return;
                }
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, Value)> {
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
    let head = String::from_utf8(bytes)
        .expect("a readable head")
        .to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.trim().parse().expect("a length"));
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, serde_json::from_slice(&body).unwrap_or_default()))
}

/// A whole answer.
pub(crate) fn answer(status: &str, content_type: &str, body: &str) -> Vec<Act> {
    with_headers(status, &format!("content-type: {content_type}\r\n"), body)
}

/// A whole answer with headers of one's own, each with its line end.
pub(crate) fn with_headers(status: &str, headers: &str, body: &str) -> Vec<Act> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    vec![Act::Send([head.as_bytes(), body.as_bytes()].concat())]
}

pub(crate) fn json(body: &str) -> Vec<Act> {
    answer("200 OK", "application/json", body)
}

/// The head of a streamed answer.
pub(crate) fn stream_head() -> Act {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
                transfer-encoding: chunked\r\n\r\n";
    Act::Send(head.into())
}

/// One piece of a streamed answer.
pub(crate) fn chunk(bytes: &[u8]) -> Act {
    Act::Send([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
}

/// The end of a streamed answer.
pub(crate) fn stream_end() -> Act {
    Act::Send(b"0\r\n\r\n".to_vec())
}

/// A streamed answer in these pieces.
pub(crate) fn stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Act> {
    let pieces = pieces.into_iter().map(chunk);
    std::iter::once(stream_head())
        .chain(pieces)
        .chain([stream_end()])
        .collect()
}
