//! Sessions, settings and reads in a loop; what a scope, a cookie and an address are good for.

use std::thread;

use nexus_core::auth::SigningKey;
use serde_json::{Value, json};

use super::{Attacked, code, post};
use crate::http;
use crate::mongod::ReplicaSet;
use crate::program::{Home, Server};

const COMPLETIONS: &str = "/v1/chat/completions";

/// The most API keys of one person.
const MOST_KEYS: usize = 50;

/// Signs in over HTTP. The whole answer.
fn sign_in(address: &str, key: &SigningKey, is_cookie: bool) -> super::Reply {
    let challenge = post(address, "/api/v1/auth/challenge", "", b"").unwrap();
    let text = challenge.body["message_template"].as_str().unwrap();
    let message = text.replace("{address}", &key.public_key().to_checksummed());
    let signature = key.sign_message(message.as_bytes()).to_string();
    let body = json!({"message": message, "signature": signature, "cookie": is_cookie});
    let body = body.to_string();
    let answer = post(address, "/api/v1/auth/verify", "", body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

fn token(answer: &super::Reply) -> String {
    answer.body["token"].as_str().unwrap().to_owned()
}

fn sessions(server: &Server, token: &str) -> Vec<Value> {
    let (status, answer) = http::get(&server.address, "/api/v1/sessions", Some(token));
    assert_eq!(status, 200, "{answer}");
    answer["data"].as_array().unwrap().clone()
}

/// S7: a key has 20 sessions; one more ends the one that was used least lately.
#[test]
fn t31_a_key_has_a_few_sessions_however_often_it_signs_in() {
    let home = Home::new();
    let server = home.serve();
    let key = SigningKey::from_bytes(&[7; 32]).unwrap();
    let first = token(&sign_in(&server.address, &key, false));
    let mut last = String::new();
    for _ in 0..30 {
        last = token(&sign_in(&server.address, &key, false));
    }
    assert_eq!(sessions(&server, &last).len(), 20);
    let over = http::get(&server.address, "/api/v1/sessions", Some(&first));
    assert_eq!(
        (over.0, &over.1["error"]["code"]),
        (401, &"unauthenticated".into())
    );
    // Nothing of those that were ended is left.
    let database = rusqlite::Connection::open(home.path("data/nexus.db")).unwrap();
    let count = database.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0));
    assert_eq!(count, Ok(20));
}

/// Asks until it is refused; says how often it was not.
#[track_caller]
fn until_limited(limit: &str, ask: impl Fn() -> (u16, Value)) -> usize {
    for count in 0..2_000 {
        let (status, answer) = ask();
        if status == 200 {
            continue;
        }
        assert_eq!(status, 429, "{answer}");
        let error = answer.get("error").unwrap();
        assert_eq!(
            (&error["code"], &error["field"]),
            (&"rate_limited".into(), &limit.into())
        );
        return count;
    }
    panic!("never refused for {limit}")
}

/// S7: changes of one identity are counted, so the record of changes grows as fast as is said.
#[test]
fn t31_changes_in_a_loop_are_limited() {
    let attacked = Attacked::begin("changes_per_minute: 30,");
    let (key, member) = attacked.home.member();
    let key = attacked.home.key_of(&key);
    let address = attacked.address();
    let set = || {
        let path = "/api/v1/profile/config.temperature";
        http::put_signed(address, path, (&key, &member), &json!({"value": 0.5}))
    };
    let changed = until_limited("limits.identity.changes_per_minute", set);
    // The minute may have been over in the middle.
    assert!((30..=60).contains(&changed), "{changed}");
    let command = || {
        let body = br#"{"command":"ping"}"#;
        let reply = post(address, "/api/v1/commands/execute", &member, body).unwrap();
        (reply.status, reply.body)
    };
    until_limited("limits.identity.changes_per_minute", command);
    // It is not counted for others, and reading goes on.
    assert_eq!(http::get(address, "/api/v1/profile", Some(&member)).0, 200);
    assert_eq!(
        http::text(&http::chat(address, &attacked.member, "Hello")),
        "Fine."
    );
}

/// S6: reads of one identity are counted, by session or API key, wherever they read.
#[test]
fn reads_in_a_loop_are_limited() {
    let attacked = Attacked::begin("reads_per_minute: 40,");
    let (address, member) = (attacked.address(), attacked.home.member().1);
    for path in [
        "/api/v1/profile",
        "/api/v1/messages",
        "/api/v1/usage",
        "/api/v1/sessions",
    ] {
        let read = || http::get(address, path, Some(&member));
        let count = until_limited("limits.identity.reads_per_minute", read);
        assert!(count <= 80, "{count}");
    }
    assert_eq!(http::text(&http::chat(address, &member, "Hello")), "Fine.");
}

/// A server that believes the proxy on this machine, and takes 20 requests a minute from an address.
fn behind_a_proxy() -> (Home, Server) {
    let home = Home::new();
    home.write("nexus.yml", "trusted_proxies: [127.0.0.1]\n");
    let shipped = std::fs::read_to_string(crate::program::repository("config.example.yml"));
    let text = shipped.unwrap() + "\nlimits:\n  ip: { requests_per_minute: 20 }\n";
    home.write("template.yml", &text);
    home.ok(&["init", "--config", "template.yml"]);
    let server = home.serve();
    (home, server)
}

/// S7, S13: what somebody without an identity does is counted for their address, whichever key they
/// make and whichever address of their IPv6 network they use.
#[test]
fn t31_a_visitor_is_counted_by_address() {
    let (home, server) = behind_a_proxy();
    let ask = |place: &str, token: Option<&str>| {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("host", &*server.address), ("x-forwarded-for", place)];
        headers.extend(authorization.as_deref().map(|it| ("authorization", it)));
        http::call(&server.address, "GET /api/v1/auth/session", &headers, "")
    };
    let mut refused = 0;
    for network in 0..64 {
        // 64 networks of one customer.
        let place = format!("2001:db8:0:{network:x}::1");
        refused += usize::from(ask(&place, None).0 == 429);
    }
    assert!(refused >= 24, "{refused}");
    assert_eq!(ask("2001:db8:1::1", None).0, 401);
    // A key that nobody registered is no way around it.
    let keys: Vec<_> = (1..=5)
        .map(|seed| SigningKey::from_bytes(&[seed; 32]).unwrap())
        .collect();
    let tokens: Vec<_> = keys
        .iter()
        .map(|key| {
            let key = key.public_key().to_checksummed();
            home.run(&["identity", "token", &key]).out.trim().to_owned()
        })
        .collect();
    let asked = (0..60).map(|count| ask("192.0.2.7", Some(&tokens[count % 5])).0);
    let refused = asked.filter(|status| *status == 429).count();
    assert!(refused >= 20, "{refused}");
}

/// S13: a port behind the address in `X-Forwarded-For` is no other address.
#[test]
fn t31_a_port_is_no_address_of_its_own() {
    let (_home, server) = behind_a_proxy();
    let ask = |place: &str| {
        let headers = [("host", &*server.address), ("x-forwarded-for", place)];
        http::call(&server.address, "GET /api/v1/auth/session", &headers, "").0
    };
    for place in ["1.2.3.4:PORT", "[::1]:PORT", "[2001:db8::5]:PORT"] {
        let ports = 5_000..5_064;
        let asked = ports.map(|port| ask(&place.replace("PORT", &port.to_string())));
        let refused = asked.filter(|status| *status == 429).count();
        // The minute may have been over in the middle.
        assert!(refused >= 24, "{place}: {refused}");
    }
    // And they are not those of others, nor of the proxy itself.
    for place in ["1.2.3.5:80", "[2001:db9::5]:80", "unknown"] {
        assert_eq!(ask(place), 401, "{place}");
    }
}

/// Makes API keys all at once, by whichever server; gives how many were made.
fn make_keys(servers: &[&Server], person: (&SigningKey, &str), count: usize) -> usize {
    let answers: Vec<_> = thread::scope(|scope| {
        let making = (0..count).map(|number| {
            let address = &servers[number % servers.len()].address;
            let body = json!({"name": format!("key {number}"), "scopes": ["chat"]});
            scope.spawn(move || http::post_signed(address, "/api/v1/keys", person, &body))
        });
        let making: Vec<_> = making.collect();
        making.into_iter().map(|it| it.join().unwrap()).collect()
    });
    for (status, answer) in &answers {
        let code = answer["error"]["code"].as_str();
        let is_refused = (*status, code) == (422, Some("too_many"));
        assert!(*status == 200 || is_refused, "{status}: {answer}");
    }
    answers.iter().filter(|(status, _)| *status == 200).count()
}

/// S13: a hundred requests at once make no more API keys than one person may have, on one server and
/// on two.
#[tokio::test(flavor = "multi_thread")]
async fn api_keys_that_are_made_at_once_stay_within_their_number() {
    let mut database = ReplicaSet::new(1);
    database.start().await;
    for (settings, count) in [
        (String::new(), 1),
        (format!("database: {}\n", database.uri()), 2),
    ] {
        let homes: Vec<_> = (0..count).map(|_| Home::new()).collect();
        let home = &homes[0];
        let shipped = std::fs::read_to_string(crate::program::repository("config.example.yml"));
        let text = shipped.unwrap() + "\nlimits:\n  identity: { changes_per_minute: 10000 }\n";
        home.write("template.yml", &text);
        for home in &homes {
            home.write("nexus.yml", &settings);
        }
        home.ok(&["init", "--config", "template.yml"]);
        let (key, token) = home.member();
        let key = home.key_of(&key);
        let person = (&key, &*token);
        let servers: Vec<_> = homes.iter().map(Home::serve).collect();
        let servers: Vec<_> = servers.iter().collect();
        let made = make_keys(&servers, person, 100);
        assert!(made > 0, "{settings}");
        let (status, keys) = http::get(&servers[0].address, "/api/v1/keys", Some(&token));
        assert_eq!(status, 200, "{keys}");
        assert_eq!(keys["data"].as_array().unwrap().len(), made, "{settings}");
        assert!(made <= MOST_KEYS, "{settings}: {made}");
        // None was refused for good that there is room for.
        while made_one(servers[0], person) {}
        let (_, keys) = http::get(&servers[0].address, "/api/v1/keys", Some(&token));
        assert_eq!(keys["data"].as_array().unwrap().len(), MOST_KEYS);
    }
}

fn made_one(server: &Server, person: (&SigningKey, &str)) -> bool {
    make_keys(&[server], person, 1) == 1
}

/// S12: the session of a cookie is refused as a bearer token, and says so.
#[test]
fn the_session_of_a_cookie_is_no_bearer_token() {
    let home = Home::new();
    let server = home.serve();
    let key = SigningKey::from_bytes(&[9; 32]).unwrap();
    let answer = sign_in(&server.address, &key, true);
    assert!(answer.body.get("token").is_none(), "{answer:?}");
    let cookie = answer
        .head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("set-cookie: "))
        .unwrap();
    let pair = cookie[12..].split(';').next().unwrap();
    let token = pair.split_once('=').unwrap().1;
    let host = ("host", &*server.address);
    for path in ["/api/v1/auth/session", "/v1/models", "/api/v1/sessions"] {
        let line = format!("GET {path}");
        let bearer = format!("Bearer {token}");
        let headers = [host, ("authorization", &*bearer)];
        let (status, refused) = http::call(&server.address, &line, &headers, "");
        assert_eq!(status, 401, "{refused}");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains("cookie"), "{message}");
    }
    let line = "GET /api/v1/auth/session";
    let (status, own) = http::call(&server.address, line, &[host, ("cookie", pair)], "");
    assert_eq!(status, 200, "{own}");
}

/// S11: an API key with the scope `chat` alone sees neither prompts nor history.
#[test]
fn the_scope_chat_shows_neither_prompts_nor_history() {
    let home = Home::new();
    home.ok(&["init"]);
    let server = home.serve();
    let url = format!("http://{}", server.address);
    home.json(&["login", &url, "--new", "--no-passphrase"]);
    home.ok(&["identity", "register"]);
    home.ok(&[
        "command",
        "prompt.set",
        "persona",
        "The word is heliotrope.",
    ]);
    let key = |scopes: &str| {
        let made = home.json(&["key", "create", scopes, "--scopes", scopes]);
        made["data"]["token"].as_str().unwrap().to_owned()
    };
    let (chat, profile, history) = (
        key("chat"),
        key("chat,profile.read"),
        key("chat,history.read"),
    );
    let ask = |token: &str, body: Value| {
        let body = body.to_string();
        let reply = post(&server.address, COMPLETIONS, token, body.as_bytes()).unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body.to_string()
    };
    let question = json!({"model": "echo", "messages": [{"role": "user", "content": "Hi"}]});
    assert!(!ask(&chat, question.clone()).contains("heliotrope"));
    assert!(ask(&profile, question.clone()).contains("heliotrope"));
    let native = http::text(&http::chat(&server.address, &chat, "Hi"));
    assert!(
        native.contains("echo") && !native.contains("heliotrope"),
        "{native}"
    );
    let native = http::text(&http::chat(&server.address, &profile, "Hi"));
    assert!(native.contains("heliotrope"), "{native}");

    let with_history = |token: &str| {
        let body = question.to_string();
        let more = "x-nexus-history: server\r\n";
        let address = &server.address;
        let mut upload = super::Upload::with(address, COMPLETIONS, token, body.len(), more);
        upload.send(body.as_bytes()).unwrap();
        upload.reply().unwrap()
    };
    let refused = with_history(&chat);
    assert_eq!(
        (refused.status, code(&refused)),
        (403, "insufficient_scope")
    );
    assert!(refused.body.to_string().contains("history.read"));
    assert_eq!(with_history(&history).status, 200);
}
