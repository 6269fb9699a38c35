//! What goes over the wire, and how small it is.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::{answers, friendly, home_with};
use crate::program::Server;

/// An answer as it came: the head in lower case, and the bytes of the body.
struct Sent {
    head: String,
    body: Vec<u8>,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(it, _)| *it == name).map(|(_, value)| value)
    }
}

/// Asks as a browser does, which takes what is compressed.
fn fetch(server: &Server, head: &str, accepted: &str, token: &str, body: &str) -> Sent {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(
        stream,
        "{head} HTTP/1.0\r\nhost: {}\r\naccept-encoding: {accepted}\r\n\
         authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    )
    .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    Sent {
        head: String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase(),
        body: bytes.split_off(end + 4),
    }
}

const BROWSER: &str = "gzip, deflate, br, zstd";

/// D10: JSON that is read is compressed; what is small, what may hold a secret, and streams are not.
#[test]
fn json_is_compressed_and_streams_and_secrets_are_not() {
    let home = home_with(&friendly());
    let (_, token) = home.member();
    let server = home.serve();
    for _ in 0..5 {
        answers(&server, &token);
    }
    let get = |path: &str, accepted| fetch(&server, &format!("GET {path}"), accepted, &token, "");
    let plain = get("/api/v1/messages", "identity");
    assert_eq!(plain.header("content-encoding"), None, "{}", plain.head);
    assert!(plain.body.len() > 2000, "{}", plain.body.len());
    for (accepted, encoding) in [(BROWSER, "br"), ("gzip", "gzip")] {
        let sent = get("/api/v1/messages", accepted);
        assert_eq!(
            sent.header("content-encoding"),
            Some(encoding),
            "{}",
            sent.head
        );
        assert!(
            sent.header("vary").unwrap().contains("accept-encoding"),
            "{}",
            sent.head
        );
        assert!(
            sent.body.len() * 2 < plain.body.len(),
            "{}",
            sent.body.len()
        );
    }
    let small = get("/api/v1/auth/session", BROWSER);
    let question = r#"{"content":"Hello"}"#;
    let stream = fetch(&server, "POST /api/v1/chat", BROWSER, &token, question);
    assert!(
        stream
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    let question = r#"{"messages":[{"role":"user","content":"Hello"}],"stream":true}"#;
    let chunks = fetch(
        &server,
        "POST /v1/chat/completions",
        BROWSER,
        &token,
        question,
    );
    let told = fetch(
        &server,
        "POST /api/v1/auth/challenge",
        BROWSER,
        &token,
        "{}",
    );
    for sent in [small, stream, chunks, told] {
        assert_eq!(sent.header("content-encoding"), None, "{}", sent.head);
    }
}

/// D10: the first load of the page, all its files together, is at most 80 KB on the wire.
#[test]
fn the_first_load_of_the_page_is_small() {
    let home = home_with(&friendly());
    let server = home.serve();
    let get = |path: &str, accepted| fetch(&server, &format!("GET {path}"), accepted, "", "");
    let html = get("/", "identity").body;
    let html = String::from_utf8(html).unwrap();
    let named = |attribute: &str| {
        let parts: Vec<_> = html.split(attribute).skip(1).collect();
        let values = parts.into_iter().filter_map(|rest| rest.split('"').next());
        values
            .filter(|it| it.starts_with('/'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let files = [vec!["/".to_owned()], named("src=\""), named("href=\"")].concat();
    // A build without Node has a page of its own, without scripts.
    let is_built = !html.contains("no_page.css");
    let (mut total, mut scripts) = (0, 0);
    for path in &files {
        let sent = get(path, BROWSER);
        assert!(
            sent.head.starts_with("http/1.0 200"),
            "{path}: {}",
            sent.head
        );
        total += sent.body.len();
        if is_built && path.starts_with("/assets/") {
            scripts += 1;
            let is_small = sent.body.len() < 1024;
            assert!(
                is_small || sent.header("content-encoding") == Some("br"),
                "{path}"
            );
            let gzip = get(path, "gzip");
            assert_ne!(gzip.header("etag"), sent.header("etag"), "{path}");
        }
    }
    assert!(scripts > 0 || !is_built, "{html}");
    assert!(total <= 80 * 1024, "{total} bytes in {files:?}");
}
