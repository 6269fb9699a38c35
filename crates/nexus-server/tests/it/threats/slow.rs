//! T24: clients that take their time, and clients that come in crowds. Real sockets, the real accept
//! loop, and limits that are over soon.

use std::net::SocketAddr;
use std::time::Duration;

use nexus_server::ConnectionLimits;
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use crate::client::Call;
use crate::world::{HOST, Setup, World};

const PATIENCE: Duration = Duration::from_secs(10);
/// Over soon, and long enough for a busy machine to do something in the meantime.
const SOON: Duration = Duration::from_millis(700);

fn soon() -> Setup {
    Setup {
        limits: ConnectionLimits {
            head: SOON,
            stall: SOON,
            ..ConnectionLimits::default()
        },
        body_timeout: SOON,
        ..Setup::default()
    }
}

async fn connect(address: SocketAddr, sent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream
}

/// All that comes until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = timeout(PATIENCE, stream.read_to_end(&mut answer));
    // A connection that is cut off may end with an error.
    _ = reading.await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn is_healthy(world: &World) {
    let asking = world.send(Call::get("/livez"));
    let answer = timeout(PATIENCE, asking).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn t24_a_crowd_of_slow_clients_is_sent_away_and_everybody_else_is_served() {
    let mut setup = soon();
    // Who may not run so much at a time is refused before that.
    let identity = &mut setup.template.as_mut().unwrap()["limits"]["identity"];
    identity["concurrent_runs"] = json!(1000);
    let world = World::begin(setup).await;
    let alice = world.member(1).await;
    let begun = Instant::now();
    let post = format!(
        "POST /api/v1/chat HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\n",
        alice.token
    );
    let said = [
        String::new(),
        "GET /livez HT".to_owned(),
        format!("GET /livez HTTP/1.1\r\nhost: {HOST}\r\nx: "),
        format!("{post}content-length: 1000\r\n\r\n{{"),
        format!("{post}transfer-encoding: chunked\r\n\r\n1\r\n{{\r\n"),
        // Answered once, and then silent.
        format!("GET /livez HTTP/1.1\r\nhost: {HOST}\r\n\r\n"),
    ];
    let mut slow = Vec::new();
    for said in said.iter().cycle().take(300) {
        slow.push(connect(world.address, said).await);
        if slow.len() % 30 == 0 {
            is_healthy(&world).await;
        }
    }
    for stream in &mut slow {
        let answer = rest(stream).await;
        assert!(
            ["", "HTTP/1.1 408", "HTTP/1.1 200"].contains(&answer.get(..12).unwrap_or("")),
            "{answer}"
        );
        assert_eq!(answer.contains("body_timeout"), answer.contains(" 408 "));
    }
    // All of them had their time, and none had much more.
    assert!((SOON..PATIENCE).contains(&begun.elapsed()));
    is_healthy(&world).await;
    assert!(world.stored(alice.address()).await.is_empty());
}

#[tokio::test]
async fn t24_one_byte_after_the_other_does_not_make_the_time_begin_anew() {
    let world = World::begin(soon()).await;
    let alice = world.member(1).await;
    let head = format!("GET /livez HTTP/1.1\r\nhost: {HOST}\r\nx: ");
    let body = format!(
        "POST /api/v1/chat HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 100000\r\n\r\n",
        alice.token
    );
    for start in [head, body] {
        let mut stream = connect(world.address, &start).await;
        let begun = Instant::now();
        // It ends because the server ends it: a byte is accepted as long as the server reads.
        let mut answer = [0; 12];
        loop {
            assert!(begun.elapsed() < PATIENCE, "the server waits for ever");
            is_healthy(&world).await;
            _ = stream.write_all(b"x").await;
            match stream.try_read(&mut answer) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => break,
            }
        }
        assert!(begun.elapsed() >= SOON);
    }
}

#[tokio::test]
async fn t24_a_body_that_nobody_reads_holds_no_connection() {
    let world = World::begin(soon()).await;
    let head = format!("GET /livez HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 1000000\r\n\r\n");
    let mut stream = connect(world.address, &head).await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn t24_a_reader_that_takes_nothing_is_cut_off_and_the_answer_is_kept() {
    let piece = "x".repeat(256 * 1024);
    let long = (0..24).fold(Turn::new(), |turn, _| turn.text(&piece));
    let world = World::begin(Setup {
        model: ScriptedModel::new([long]),
        ..soon()
    })
    .await;
    let alice = world.member(1).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(world.address).await.unwrap();
    let body = json!({ "content": "Tell me everything" }).to_string();
    let request = format!(
        "POST /api/v1/chat HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        alice.token,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // The answer begins, and then nobody reads.
    stream.readable().await.unwrap();
    is_healthy(&world).await;
    timeout(PATIENCE, world.settle()).await.unwrap();
    let read = rest(&mut stream).await;
    assert!(read.starts_with("HTTP/1.1 200"));
    assert!(read.len() < 6 * 1024 * 1024, "the rest was not sent");
    let stored = world.stored(alice.address()).await;
    assert_eq!(stored[1].1.len(), 24 * piece.len());
}

#[tokio::test]
async fn t24_when_all_connections_are_taken_those_that_ask_nothing_make_room() {
    let mut setup = soon();
    setup.limits.connections = 8;
    // Their own time is not over for long.
    setup.limits.head = 2 * PATIENCE;
    let world = World::begin(setup).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(connect(world.address, "").await);
    }
    let begun = Instant::now();
    is_healthy(&world).await;
    // The first one that came was sent away before its time was over.
    assert_eq!(rest(&mut idle[0]).await, "");
    assert!(begun.elapsed() < PATIENCE);
    for _ in 0..20 {
        is_healthy(&world).await;
    }
}

#[tokio::test]
async fn t24_there_is_no_http_2_to_flood() {
    let world = World::begin(soon()).await;
    // What HTTP/2 begins with, and an empty frame of settings.
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
    let mut stream = connect(world.address, preface).await;
    let answer = rest(&mut stream).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
    let upgrade = format!(
        "GET /livez HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade, http2-settings\r\n\
         upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n"
    );
    let mut stream = connect(world.address, &upgrade).await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
    is_healthy(&world).await;
}
