//! What strangers and members may try, and what becomes of everybody else meanwhile: they are
//! answered, and the memory of the server stays within its bound. `make abuse` runs this with the
//! numbers of an attack (`NEXUS_ABUSE=full`), `make test` with smaller ones.

mod bodies;
mod credentials;
mod crowd;
mod heads;
mod reading;

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::provider::Provider;
use crate::http;
use crate::program::{Home, Server};
use crate::provider::template;

/// The most memory that the server may ever take, in MiB: a tenth less than is promised.
const MEMORY: u64 = 270;

/// What everybody else may be kept waiting: an answer takes milliseconds, so that this tells slow
/// from stuck.
const STUCK: Duration = Duration::from_secs(10);

/// The same while a debug build reads and writes many of the longest bodies.
const STUCK_IN_A_CROWD: Duration = Duration::from_mins(1);

/// A number of an attack, or a smaller one.
#[expect(
    clippy::disallowed_methods,
    reason = "nobody passes the environment in to a test"
)]
fn scaled(full: usize, short: usize) -> usize {
    if std::env::var_os("NEXUS_ABUSE").is_some_and(|mode| mode == "full") {
        full
    } else {
        short
    }
}

/// A server with a provider, and a member who only wants to talk.
struct Attacked {
    server: Server,
    home: Home,
    /// The token of the member.
    member: String,
    /// How many questions of the member were answered.
    answered: AtomicUsize,
    /// What everybody else may be kept waiting.
    stuck: Duration,
    _provider: Provider,
}

impl Attacked {
    /// The provider says "Fine." at once, but never answers a request that holds the word `wait`.
    /// `limits` are more limits of an identity, each with a comma at its end.
    fn begin(limits: &str) -> Self {
        let provider = Provider::start(|request| {
            if request.line.starts_with("GET") {
                return request.json(200, &json!({"object": "list", "data": []}));
            }
            let last = request.body["messages"].as_array().and_then(|it| it.last());
            if last.is_some_and(|last| last["content"] == "wait") {
                return request.hold();
            }
            request.say("Fine.", 7, 3)
        });
        let home = Home::new();
        let catalog = "m: { provider: local, id: m, price: { input: 1, output: 2 } }";
        // The member asks all the time.
        let limits = format!(
            "{limits} requests_per_minute: 100000, tokens_per_minute: 10000000000, \
             daily_tokens: 1000000000000"
        );
        let text = template(&provider.base_url, catalog, "m");
        let text = format!("{text}limits:\n  identity: {{ {limits} }}\n");
        home.write("template.yml", &text);
        home.ok(&["init", "--config", "template.yml"]);
        let server = home.serve_with(&["--log", "error"]);
        let (_, member) = home.member();
        Self {
            server,
            home,
            member,
            answered: AtomicUsize::new(0),
            stuck: STUCK,
            _provider: provider,
        }
    }

    fn address(&self) -> &str {
        &self.server.address
    }

    /// A token of a key that is not registered.
    fn visitor(&self) -> String {
        let key = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        let done = self.home.run(&["identity", "token", key]);
        done.out.trim().to_owned()
    }

    /// Does something, and meanwhile asks for a sign of life and chats as the member, over and
    /// over. Says how many questions were answered.
    #[track_caller]
    fn while_others_work(&self, attack: impl FnOnce() + Send) -> usize {
        let is_over = AtomicBool::new(false);
        let mut answered = 0;
        thread::scope(|scope| {
            let attacker = scope.spawn(|| {
                attack();
                is_over.store(true, Ordering::SeqCst);
            });
            while !attacker.is_finished() || answered == 0 {
                let begun = Instant::now();
                let alive = http::get(self.address(), "/livez", None);
                assert_eq!(alive.0, 200, "{}", alive.1);
                assert!(
                    begun.elapsed() < self.stuck,
                    "/livez: {:?}",
                    begun.elapsed()
                );
                let begun = Instant::now();
                let said = http::text(&http::chat(self.address(), &self.member, "Hello"));
                assert_eq!(said, "Fine.");
                assert!(
                    begun.elapsed() < self.stuck,
                    "a chat: {:?}",
                    begun.elapsed()
                );
                answered += 1;
                self.answered.fetch_add(1, Ordering::SeqCst);
            }
            attacker.join().unwrap();
        });
        assert!(is_over.into_inner());
        answered
    }

    /// The server stayed within its memory, and what it stored of the member's use is what the
    /// provider counted.
    #[track_caller]
    fn stayed_small(&self) {
        let answered = self.answered.load(Ordering::SeqCst);
        used(self.address(), &self.member, answered);
        let peak = self.server.peak_memory();
        _ = writeln!(io::stderr(), "the most memory so far: {peak} MiB");
        assert!(peak < MEMORY, "{peak} MiB");
    }
}

/// So many answers are stored with what the provider said of them, and with their price.
#[track_caller]
fn used(address: &str, token: &str, answered: usize) {
    let (status, usage) = http::get(address, "/api/v1/usage", Some(token));
    assert_eq!(status, 200, "{usage}");
    let total = &usage["total"];
    assert_eq!(total["runs"], answered, "{usage}");
    assert_eq!(total["input_tokens"], 7 * answered, "{usage}");
    assert_eq!(total["output_tokens"], 3 * answered, "{usage}");
    assert_eq!(total["cost_micros"], 13 * answered, "{usage}");
}

/// A request that is being sent.
struct Upload {
    stream: TcpStream,
}

/// The status of an answer, its head and its body.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: Value,
}

impl Upload {
    /// Sends a head that announces a body of `length` bytes.
    fn begin(address: &str, path: &str, token: &str, length: usize) -> Self {
        Self::with(address, path, token, length, "")
    }

    /// The same with more headers, each with its line end.
    fn with(address: &str, path: &str, token: &str, length: usize, more: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_mins(2)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n{more}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        Self { stream }
    }

    /// Sends as much of this as the server takes.
    fn send(&mut self, body: &[u8]) -> io::Result<()> {
        self.stream.write_all(body)
    }

    fn reply(self) -> io::Result<Reply> {
        let mut reader = BufReader::new(self.stream);
        let (mut head, mut length, mut is_chunked) = (String::new(), 0, false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == "\r\n" {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            is_chunked |= lower.starts_with("transfer-encoding: chunked");
            head += &line;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        assert!(!is_chunked || length == 0);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Reply { status, head, body })
    }
}

/// Sends a whole request, and reads the answer.
fn post(address: &str, path: &str, token: &str, body: &[u8]) -> io::Result<Reply> {
    let mut upload = Upload::begin(address, path, token, body.len());
    // The server may refuse before it has read everything.
    _ = upload.send(body);
    upload.reply()
}

/// Sends the same request many times at once. What became of each.
fn post_many(
    (address, path): (&str, &str),
    tokens: &[String],
    body: &Arc<Vec<u8>>,
) -> Vec<io::Result<Reply>> {
    thread::scope(|scope| {
        let sending = tokens
            .iter()
            .map(|token| scope.spawn(move || post(address, path, token, body)));
        let sending: Vec<_> = sending.collect();
        sending.into_iter().map(|it| it.join().unwrap()).collect()
    })
}

/// The code of an error, in either form.
fn code(reply: &Reply) -> &str {
    reply.body["error"]["code"].as_str().unwrap_or_default()
}
