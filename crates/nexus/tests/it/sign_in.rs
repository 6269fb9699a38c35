//! Signing in at a server, signed commands and API keys, as a person at a terminal does it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::http::{self, ask, chat, text};
use crate::program::{Home, Server};

/// Signs in with a new key that is not encrypted, which is quicker.
fn login(home: &Home, server: &Server) -> Value {
    let url = format!("http://{}", server.address);
    home.json(&["login", &url, "--new", "--no-passphrase"])
}

fn member(home: &Home, server: &Server) -> Value {
    let signed_in = login(home, server);
    home.ok(&["identity", "register"]);
    signed_in
}

#[test]
fn a_person_signs_in_registers_changes_a_setting_and_makes_an_api_key() {
    let home = Home::new();
    let server = home.serve();
    let signed_in = login(&home, &server);
    assert_eq!(signed_in["standing"], "visitor");
    let visitor = home.fails(&["command", "config.set", "temperature", "0.3"]);
    assert!(visitor.err.contains("(not_a_member)"), "{visitor:#?}");
    assert!(
        visitor.err.contains("nexus identity register"),
        "{visitor:#?}"
    );

    let registered = home.json(&["identity", "register"]);
    assert_eq!(registered["data"]["created"], true);
    assert_eq!(
        home.json(&["identity", "register"])["data"]["created"],
        false
    );
    let whoami = home.json(&["whoami"]);
    assert_eq!(whoami["standing"], "member");
    assert_eq!(whoami["public_key"], signed_in["public_key"]);

    home.ok(&["command", "config.set", "temperature", "0.3"]);
    let set = home.json(&["command", "config.get temperature"]);
    assert_eq!(set["data"][0]["value"], 0.3);
    let table = home.ok(&["command", "config.get"]);
    assert!(
        table.contains("temperature") && table.contains("identity"),
        "{table}"
    );
    assert!(home.ok(&["command", "help"]).contains("key.create NAME"));

    let made = home.json(&["key", "create", "laptop", "--scopes", "chat", "--days", "3"]);
    let key = made["data"]["token"].as_str().unwrap();
    assert!(text(&chat(&server.address, key, "Hello there")).contains("Hello there"));
    let listed = home.json(&["key", "list"]);
    assert_eq!(listed["data"][0]["scopes"], json!(["chat"]));
    let id = listed["data"][0]["id"].as_str().unwrap();
    assert!(home.ok(&["key", "list"]).contains("laptop"));
    assert_eq!(home.json(&["key", "revoke", id])["data"]["revoked"], 1);
    assert_eq!(ask(&server.address, key, "Hello?").status, 401);

    let sessions = home.json(&["session", "list"]);
    assert_eq!(sessions["data"][0]["current"], true);
    assert!(home.ok(&["session", "list"]).contains("nexus-cli/"));
    home.ok(&["session", "revoke", "--all"]);
    let over = home.fails(&["whoami"]);
    assert!(over.err.contains("(unauthenticated)"), "{over:#?}");
    assert!(over.err.contains("nexus login"), "{over:#?}");

    // The key and the server of last time.
    assert_eq!(home.json(&["login"])["standing"], "member");
    assert_eq!(home.json(&["logout"])["signed_out"], true);
    let nobody = home.fails(&["whoami"]);
    assert!(nobody.err.contains("not signed in"), "{nobody:#?}");
}

#[test]
fn a_new_key_is_encrypted_and_opens_with_its_passphrase_only() {
    let home = Home::new();
    let server = home.serve();
    let url = format!("http://{}", server.address);
    let with = |passphrase: &str, arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("NEXUS_PASSPHRASE", passphrase);
        crate::program::finish(command.spawn().unwrap())
    };
    let nobody = home.fails(&["login", &url, "--new"]);
    assert!(nobody.err.contains("--passphrase-file"), "{nobody:#?}");
    home.write("empty", "\n");
    let empty = home.fails(&["login", &url, "--new", "--passphrase-file", "empty"]);
    assert!(empty.err.contains("--no-passphrase"), "{empty:#?}");

    let done = with("correct horse", &["login", &url, "--new", "--json"]);
    assert_eq!(done.code, Some(0), "{done:#?}");
    let signed_in: Value = serde_json::from_str(&done.out).unwrap();
    let file = signed_in["key_file"].as_str().unwrap();
    let stored: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(stored["version"], 3);
    assert_eq!(mode(Path::new(file)), 0o600);
    let profile = home.path("config/nexus/profiles/default.json");
    assert_eq!(mode(&profile), 0o600);

    let wrong = with("wrong horse", &["identity", "register"]);
    assert_eq!(wrong.code, Some(1), "{wrong:#?}");
    assert!(wrong.err.contains("the passphrase is wrong"), "{wrong:#?}");
    home.write("passphrase", "correct horse\n");
    home.ok(&["identity", "register", "--passphrase-file", "passphrase"]);
    // What needs no signature needs no passphrase.
    home.ok(&["command", "config.get"]);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_key_from_this_machine_signs_in_and_one_that_others_can_read_does_not() {
    let home = Home::new();
    let server = home.serve();
    let new = home.json(&["identity", "new"]);
    let file = new["key_file"].as_str().unwrap();
    let url = format!("http://{}", server.address);
    let signed_in = home.json(&["login", &url, "--key", file, "--profile", "second"]);
    assert_eq!(signed_in["standing"], "member");
    home.ok(&["whoami", "--profile", "second"]);
    home.fails(&["whoami"]);
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    let open = home.fails(&["login", &url, "--key", file]);
    assert!(open.err.contains("chmod 600"), "{open:#?}");
    let escape = home.fails(&["whoami", "--profile", "../default"]);
    assert!(escape.err.contains("no name for a profile"), "{escape:#?}");
}

/// Answers each request with the same text, and keeps what was asked.
fn pretender(answer: &'static str) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = [0; 8192];
            let read = stream.read(&mut bytes).unwrap();
            heard
                .lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&bytes[..read]));
            _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, asked)
}

#[test]
fn nothing_is_signed_for_a_server_that_shows_the_challenge_of_another_one() {
    let home = Home::new();
    let (address, asked) = pretender(concat!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n",
        r#"{"nonce":"00","domain":"bank.example","uri":"https://bank.example/","chain_id":1,"#,
        r#""issued_at":"2026-11-22T20:30:00Z","expires_at":"2026-11-22T20:35:00Z","#,
        r#""message_template":"bank.example wants you to sign in with your Ethereum account:\n"#,
        r#"{address}\n\nSign in to Nexus.\n\nURI: https://bank.example/\nVersion: 1\n"#,
        r#"Chain ID: 1\nNonce: 0123456789abcdef\nIssued At: 2026-11-22T20:30:00Z\n"#,
        r#"Expiration Time: 2026-11-22T20:35:00Z"}"#
    ));
    let url = format!("http://{address}");
    let done = home.fails(&["login", &url, "--new", "--no-passphrase"]);
    assert!(
        done.err.contains("something else than a sign-in"),
        "{done:#?}"
    );
    assert!(!asked.lock().unwrap().contains("/verify"));
    assert!(!home.path("config/nexus/profiles/default.json").exists());
}

#[test]
fn what_is_no_nexus_is_told_and_redirects_are_not_followed() {
    let home = Home::new();
    let (page, _) =
        pretender("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello");
    let done = home.fails(&[
        "login",
        &format!("http://{page}"),
        "--new",
        "--no-passphrase",
    ]);
    assert!(done.err.contains("is not Nexus"), "{done:#?}");
    let (moved, _) = pretender(
        "HTTP/1.1 307 Go\r\nlocation: http://evil.test/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
    let done = home.fails(&[
        "login",
        &format!("http://{moved}"),
        "--new",
        "--no-passphrase",
    ]);
    assert!(done.err.contains("we do not follow"), "{done:#?}");
    let done = home.fails(&["login", "http://127.0.0.1:1", "--new", "--no-passphrase"]);
    assert!(done.err.contains("nothing listens"), "{done:#?}");
    assert!(!home.path("config").exists(), "no key was made in vain");
    let server = home.serve_with(&["--public-origin", "https://nexus.example.org"]);
    let url = format!("http://{}", server.address);
    let done = home.fails(&["login", &url, "--new", "--no-passphrase"]);
    assert!(done.err.contains("(misdirected)"), "{done:#?}");
}

/// Passes everything on to a server, and keeps what went there.
struct Wire {
    listener: TcpListener,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    fn new() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            heard: Arc::default(),
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    fn connect(self, server: &Server) -> Arc<Mutex<Vec<u8>>> {
        let (address, heard) = (server.address.clone(), Arc::clone(&self.heard));
        thread::spawn(move || {
            for near in self.listener.incoming() {
                let (mut near, mut far) = (near.unwrap(), TcpStream::connect(&address).unwrap());
                let (mut back_from, mut back_to) =
                    (far.try_clone().unwrap(), near.try_clone().unwrap());
                let heard = Arc::clone(&self.heard);
                thread::spawn(move || {
                    let mut bytes = [0; 8192];
                    while let Ok(read @ 1..) = near.read(&mut bytes) {
                        heard.lock().unwrap().extend_from_slice(&bytes[..read]);
                        _ = far.write_all(&bytes[..read]);
                    }
                });
                thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
            }
        });
        heard
    }
}

#[test]
fn t02_a_captured_request_cannot_be_sent_again_or_for_something_else() {
    let home = Home::new();
    home.write("nexus.yml", "registration: open\n");
    let wire = Wire::new();
    let url = wire.url();
    let server = home.serve_with(&["--public-origin", &url]);
    let heard = wire.connect(&server);
    let signed_in = home.json(&["login", &url, "--new", "--no-passphrase"]);
    home.ok(&["identity", "register"]);
    // A server with a public name asks before it lets somebody in.
    let key = signed_in["public_key"].as_str().unwrap().to_lowercase();
    home.ok(&["identity", "approve", &key]);
    heard.lock().unwrap().clear();
    home.ok(&["command", "config.set", "temperature", "0.3"]);
    let heard = String::from_utf8(heard.lock().unwrap().clone()).unwrap();
    let start = heard.find("POST /api/v1/commands/execute").unwrap();
    let captured = &heard[start..];
    assert!(captured.contains("signature-input: "), "{captured}");
    let answer = |request: &str| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        // Closed after the answer, so that it can be read to its end.
        let request = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let again = answer(captured);
    assert!(again.starts_with("HTTP/1.1 401"), "{again}");
    assert!(again.contains("replayed"), "{again}");
    let other = answer(&captured.replace("0.3", "0.9"));
    assert!(other.starts_with("HTTP/1.1 401"), "{other}");
    let now = home.json(&["command", "config.get temperature"]);
    assert_eq!(now["data"][0]["value"], 0.3);
}

#[test]
fn what_the_template_wants_signed_is_signed() {
    let home = Home::new();
    let server = home.serve();
    let signed_in = member(&home, &server);
    let key = signed_in["key_file"].as_str().unwrap();
    let away = home.path("away");
    fs::rename(key, &away).unwrap();
    home.ok(&["command", "ping"]);
    let mut template = home.json(&["template", "show"])["document"].take();
    template["security"]["signature_required_commands"] = json!(["ping"]);
    home.write("more.json", &template.to_string());
    home.ok(&["template", "apply", "more.json", "--yes"]);
    http::soon(&server.address, "/readyz", "", |health| {
        health["template"]["version"] == 2
    });
    let done = home.fails(&["command", "ping"]);
    assert!(done.err.contains("cannot be read"), "{done:#?}");
    fs::rename(&away, key).unwrap();
    assert_eq!(home.json(&["command", "ping"])["message"], "pong");
}

#[test]
fn an_export_is_whole_and_a_changed_one_is_noticed() {
    let home = Home::new();
    let server = home.serve();
    member(&home, &server);
    let made = home.json(&["key", "create", "laptop"]);
    let key = made["data"]["token"].as_str().unwrap();
    chat(&server.address, key, "Remember the milk");
    let saved = home.json(&["export", "--out", "mine.jsonl"]);
    assert!(saved["records"].as_u64().unwrap() >= 5, "{saved}");
    let bundle = fs::read_to_string(home.path("mine.jsonl")).unwrap();
    assert!(bundle.contains("Remember the milk") && !bundle.contains(key));
    assert_eq!(home.json(&["export", "--verify", "mine.jsonl"]), saved);
    let again = home.fails(&["export", "--out", "mine.jsonl"]);
    assert!(again.err.contains("is there already"), "{again:#?}");

    home.write("changed.jsonl", &bundle.replace("milk", "silk"));
    let done = home.fails(&["export", "--verify", "changed.jsonl"]);
    assert!(done.err.contains("was changed"), "{done:#?}");
    let (cut, _) = bundle.trim_end().rsplit_once('\n').unwrap();
    home.write("cut.jsonl", cut);
    let done = home.fails(&["export", "--verify", "cut.jsonl"]);
    assert!(done.err.contains("last line is missing"), "{done:#?}");
}

#[test]
fn whoever_leaves_is_forgotten_and_can_come_back() {
    let home = Home::new();
    let server = home.serve();
    member(&home, &server);
    let asked = home.fails(&["identity", "forget"]);
    assert!(asked.err.contains("--yes"), "{asked:#?}");
    let erased = home.json(&["identity", "forget", "--yes"]);
    assert_eq!(erased["data"]["identities"], 1);
    home.fails(&["whoami"]);
    let listed = home.json(&["identity", "list"]);
    assert_eq!(listed, json!([]));
}

#[test]
fn somebody_who_is_locked_out_at_the_machine_is_locked_out_at_the_server() {
    let home = Home::new();
    let server = home.serve();
    let signed_in = member(&home, &server);
    let key = signed_in["public_key"].as_str().unwrap().to_lowercase();
    home.ok(&["admin", "grant", &key]);
    let profile = fs::read_to_string(home.path("config/nexus/profiles/default.json")).unwrap();
    let profile: Value = serde_json::from_str(&profile).unwrap();
    let token = profile["token"].as_str().unwrap();
    let is = |name: &'static str, value: Value| {
        http::soon(
            &server.address,
            "/api/v1/auth/session",
            token,
            move |session| session[name] == value,
        );
    };
    is("is_admin", json!(true));
    home.ok(&["identity", "disable", &key]);
    let begun = Instant::now();
    while http::get(&server.address, "/api/v1/auth/session", Some(token)).0 != 401 {
        assert!(begun.elapsed() < http::SOON, "still signed in");
    }
    home.fails(&["command", "config.set", "temperature", "0.3"]);
    // Whoever is let in again signs in again.
    home.ok(&["identity", "enable", &key]);
    let (status, _) = http::get(&server.address, "/api/v1/auth/session", Some(token));
    assert_eq!(status, 401);
}
