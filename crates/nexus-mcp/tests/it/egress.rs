//! Where connections and keys go, and where they do not.

use std::io;
use std::net::TcpListener as StdListener;

use nexus_core::catalog::Credential;
use nexus_core::egress::{Secrets, authority};
use nexus_mcp::AddressRules;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use nexus_test_support::mcp::{AtAnAddress, World, http, http_with_key};

/// A place that nobody may come to.
struct Untouched(StdListener);

impl Untouched {
    fn new() -> Self {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn site(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    fn assert(&self) {
        let visit = self.0.accept().map(drop).map_err(|error| error.kind());
        assert_eq!(visit, Err(io::ErrorKind::WouldBlock));
    }
}

/// Answers the first request with a redirect; gives what was asked.
async fn redirect(listener: TcpListener, to: &str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut asked = String::new();
    while !asked.contains("\r\n\r\n") {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0, "{asked}");
        asked.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{to}/mcp\r\ncontent-length: 0\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    asked
}

#[tokio::test]
async fn t19_an_address_that_is_not_allowed_is_not_connected_to() {
    let inside = Untouched::new();
    let site = inside.site();
    let world = World::with_rules("", AddressRules::default());
    let server = http(&format!("http://{site}/mcp"));
    let down = world.client.session(&server).await.unwrap_err();
    assert_eq!(down.to_string(), "Nexus may not connect to its address");
    let advice = down.advice().unwrap();
    assert!(
        advice.contains(&format!("write `private_hosts: [\"{site}\"]` in nexus.yml")),
        "{advice}"
    );
    for url in ["http://169.254.169.254/mcp", "http://10.0.0.1/mcp"] {
        let down = world.client.session(&http(url)).await.unwrap_err();
        assert_eq!(down.to_string(), "Nexus may not connect to its address");
    }
    world.close().await;
    inside.assert();
}

#[tokio::test]
async fn t18_a_key_goes_to_its_server_and_not_where_that_points() {
    for (header, line) in [
        (None, "authorization: Bearer secret-of-web"),
        (Some("X-Api-Key"), "x-api-key: secret-of-web"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site = listener.local_addr().unwrap().to_string();
        let url = format!("http://{site}/mcp");
        let secrets = Secrets::new(|_| Some("secret-of-web".to_owned()))
            .pin("WEB_KEY", [site.parse().unwrap()]);
        let key = secrets.key("WEB_KEY", &url.parse().unwrap()).unwrap();
        let server = http_with_key(&url, Credential::Key(key.unwrap()), header);
        let elsewhere = Untouched::new();
        let world = World::new("");
        let other = elsewhere.site();
        let (asked, session) =
            tokio::join!(redirect(listener, &other), world.client.session(&server));
        assert!(asked.lines().any(|asked| asked == line), "{asked}");
        let down = session.unwrap_err().to_string();
        assert_eq!(down, "it answered with the status 307");
        world.close().await;
        elsewhere.assert();
    }
}

#[tokio::test]
async fn t17_a_key_that_a_server_repeats_is_blotted_out() {
    const KEY: &str = "secret-of-web-0123456789";
    let server = AtAnAddress::start().await;
    let url = server.address.parse().unwrap();
    let site = authority(&url).parse().unwrap();
    let secrets = Secrets::new(|_| Some(KEY.to_owned())).pin("WEB_KEY", [site]);
    let key = secrets.key("WEB_KEY", &url).unwrap().unwrap();
    let world = World::new("");
    let session = world
        .session(&http_with_key(&server.address, Credential::Key(key), None))
        .await;
    let call = async |tool: &str, message: String| {
        let arguments = json!({ "message": message }).as_object().unwrap().clone();
        session.call(tool, arguments).await
    };
    let said = call("echo", format!("<{KEY}> and <{KEY}>")).await;
    assert_eq!(said, Ok("Echo: <sec…> and <sec…>".to_owned()));
    assert_eq!(
        call("echo", KEY[..20].to_owned()).await,
        Ok("Echo: sec…".to_owned())
    );
    let refused = call(KEY, String::new()).await.unwrap_err();
    assert!(!refused.contains(KEY) && refused.contains('…'), "{refused}");
    world.close().await;
}
