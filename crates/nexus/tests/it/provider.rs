//! A provider that begins an answer and then waits for as long as the test likes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// A server that speaks just enough of the protocol.
pub(crate) struct SlowProvider {
    pub(crate) base_url: String,
}

impl SlowProvider {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                thread::spawn(move || converse(stream.unwrap()));
            }
        });
        Self { base_url }
    }

    /// A template with this provider and one model, which is the default.
    pub(crate) fn template(&self) -> String {
        template(
            &self.base_url,
            "slow: { provider: local, id: slow-1 }",
            "slow",
        )
    }
}

/// A template whose provider `local` is at `base_url`.
pub(crate) fn template(base_url: &str, catalog: &str, default: &str) -> String {
    format!(
        "system: {{ log_level: INFO, max_tool_iterations: 5, app_name: Test }}\n\
         llm:\n  providers:\n    local: {{ base_url: \"{base_url}\" }}\n  catalog:\n    \
         {catalog}\n\
         user_defaults:\n  config: {{ model: {default}, max_tokens: 48 }}\n  prompts:\n    \
         persona: {{ content: You are kind., editable: true, order: 1 }}\n\
         ui:\n  editable_fields: [config.model, config.temperature, prompts.persona]\n"
    )
}

/// One request: a list of models, or an answer that never ends by itself.
fn converse(stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            return;
        }
    }
    if head.starts_with("GET") {
        let body = r#"{"object":"list","data":[{"id":"slow-1","object":"model"}]}"#;
        let length = body.len();
        _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        return;
    }
    let chunk = r#"data: {"id":"1","choices":[{"index":0,"delta":{"content":"one moment "}}]}"#;
    _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{chunk}\n\n"
    );
    // The rest of the request, and then the end of the connection: Nexus hangs up.
    _ = reader.read_to_end(&mut Vec::new());
}
