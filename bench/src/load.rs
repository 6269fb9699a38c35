//! The load generator. It reads a plan, connects, warms up, says so, waits for the word, sends the
//! planned turns over kept-alive connections, and reports. Every answer is checked.

use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, ensure};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::http1::Message;
use crate::latencies::Latencies;

/// What to send, and what must come back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) warm_up: usize,
    pub(crate) turns: usize,
    /// Whole requests. Each connection repeats one of them.
    pub(crate) requests: Arc<[String]>,
    pub(crate) expected: Expected,
}

/// What an answer must hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Expected {
    /// What each piece contains.
    pub(crate) piece: String,
    /// How many pieces there are.
    pub(crate) pieces: usize,
    /// What comes after all of them.
    pub(crate) last: String,
}

/// How it went.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) turns: usize,
    pub(crate) seconds: f64,
    /// How often the server sent a part of an answer.
    pub(crate) chunks: usize,
    /// Until the first piece had come.
    pub(crate) first: Latencies,
    /// Until the end had come.
    pub(crate) whole: Latencies,
}

impl Report {
    pub(crate) fn absorb(&mut self, other: Self) {
        self.turns += other.turns;
        self.seconds += other.seconds;
        self.chunks += other.chunks;
        self.first.absorb(other.first);
        self.whole.absorb(other.whole);
    }
}

/// Does as standard input says.
pub(crate) fn obey() -> anyhow::Result<()> {
    let mut words = std::io::stdin().lock().lines();
    let mut word = || {
        words
            .next()
            .context("nobody says what to do")?
            .map_err(anyhow::Error::from)
    };
    let plan: Plan = serde_json::from_str(&word()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut clients = runtime.block_on(connect(&plan))?;
    runtime.block_on(drive(&mut clients, plan.warm_up))?;
    writeln!(std::io::stdout(), "ready")?;
    word()?;
    let started = Instant::now();
    let report = runtime.block_on(drive(&mut clients, plan.turns))?;
    let seconds = started.elapsed().as_secs_f64();
    let report = Report { seconds, ..report };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    Ok(())
}

async fn connect(plan: &Plan) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(plan.connections);
    for place in 0..plan.connections {
        let stream = TcpStream::connect(plan.address).await?;
        stream.set_nodelay(true)?;
        clients.push(Client {
            stream,
            requests: Arc::clone(&plan.requests),
            place: place % plan.requests.len(),
            expected: plan.expected.clone(),
            answer: Message::default(),
            buffer: vec![0; 16 * 1024],
        });
    }
    Ok(clients)
}

/// Lets all clients work until `turns` are done.
async fn drive(clients: &mut Vec<Client>, turns: usize) -> anyhow::Result<Report> {
    let left = Arc::new(AtomicUsize::new(turns));
    let mut working = JoinSet::new();
    for mut client in clients.drain(..) {
        let left = Arc::clone(&left);
        working.spawn(async move {
            let mut report = Report::default();
            let one_less = |left: usize| left.checked_sub(1);
            while left
                .try_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                .is_ok()
            {
                client.turn(&mut report).await?;
            }
            anyhow::Ok((client, report))
        });
    }
    let mut sum = Report::default();
    while let Some(done) = working.join_next().await {
        let (client, report) = done??;
        clients.push(client);
        sum.absorb(report);
    }
    Ok(sum)
}

struct Client {
    stream: TcpStream,
    requests: Arc<[String]>,
    place: usize,
    expected: Expected,
    answer: Message,
    buffer: Vec<u8>,
}

impl Client {
    /// One request and its whole answer.
    async fn turn(&mut self, report: &mut Report) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut first_has_come = false;
        self.answer.reset();
        self.stream
            .write_all(self.requests[self.place].as_bytes())
            .await?;
        while !self.answer.is_complete() {
            let count = self.stream.read(&mut self.buffer).await?;
            ensure!(count > 0, "the connection ended in the middle of an answer");
            self.answer.feed(&self.buffer[..count])?;
            if !first_has_come
                && memmem::find(&self.answer.body, self.expected.piece.as_bytes()).is_some()
            {
                first_has_come = true;
                report.first.record(started.elapsed());
            }
        }
        report.whole.record(started.elapsed());
        report.turns += 1;
        report.chunks += self.answer.chunks;
        check(&self.answer, &self.expected)
    }
}

fn check(answer: &Message, expected: &Expected) -> anyhow::Result<()> {
    let Expected {
        piece,
        pieces,
        last,
    } = expected;
    let text = String::from_utf8_lossy(&answer.body);
    let describe = || format!("in this answer:\n{}\n\n{text}", answer.head);
    ensure!(
        answer.head.starts_with("HTTP/1.1 200 "),
        "not 200, {}",
        describe()
    );
    let found = memmem::find_iter(&answer.body, piece.as_bytes()).count();
    ensure!(
        found == *pieces,
        "{found} pieces, expected {pieces}, {}",
        describe()
    );
    let from_last_piece = memmem::rfind(&answer.body, piece.as_bytes()).unwrap_or_default();
    let ends = memmem::find(&answer.body[from_last_piece..], last.as_bytes()).is_some();
    ensure!(ends, "no {last:?} after the last piece, {}", describe());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Message {
        let mut message = Message::default();
        let text = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        message.feed(text.as_bytes()).unwrap();
        message
    }

    #[test]
    fn an_answer_counts_only_when_all_of_it_came() {
        let expected = Expected {
            piece: "piece".into(),
            pieces: 2,
            last: "end".into(),
        };
        let is_right = |status, body| check(&answer(status, body), &expected).is_ok();
        assert!(is_right(200, "piece piece end"));
        assert!(!is_right(500, "piece piece end"));
        assert!(!is_right(200, "piece end"));
        assert!(!is_right(200, "piece piece piece end"));
        assert!(!is_right(200, "end piece piece"));
    }
}
