//! Servers on a MongoDB database: two of them behave as one, and one waits for a database that is
//! not there yet.

use std::thread;
use std::time::Instant;

use mongodb::bson::doc;
use nexus_core::auth::SigningKey;
use nexus_core::auth::request::{Content, SignatureTerms, Target, sign};
use nexus_core::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::http::{self, soon};
use crate::mongod::ReplicaSet;
use crate::program::Home;

/// A folder whose settings name the database.
fn home(database: &ReplicaSet) -> Home {
    let home = Home::new();
    home.write("nexus.yml", &format!("database: {}\n", database.uri()));
    home
}

/// The value of a field of a profile.
fn value<'a>(profile: &'a Value, field: &str) -> &'a Value {
    let fields = profile["fields"].as_array().unwrap();
    let field = fields.iter().find(|explained| explained["field"] == field);
    &field.unwrap()["value"]
}

#[tokio::test]
async fn two_servers_on_one_database_are_one() {
    let mut database = ReplicaSet::new(1);
    database.start().await;
    let (here, there) = (home(&database), home(&database));
    let (first, second) = (here.serve(), there.serve());
    assert!(first.report.contains("MongoDB (6"), "{}", first.report);

    // A session and a message.
    let (key, token) = here.member();
    assert!(http::text(&http::chat(&first.address, &token, "Hello")).contains("mirror"));
    let (status, page) = http::get(&second.address, "/api/v1/messages", Some(&token));
    let messages = page["messages"].as_array().unwrap();
    assert_eq!((status, messages.len()), (200, 2), "{page:#}");
    assert_eq!(messages[1]["content"], "Hello");

    // An override, and a template.
    there.ok(&["config", "set", &key, "temperature", "0.3"]);
    for server in [&first, &second] {
        soon(&server.address, "/api/v1/profile", &token, |profile| {
            value(profile, "config.temperature") == 0.3
        });
    }
    let mut template = here.json(&["template", "show"])["document"].clone();
    template["user_defaults"]["config"]["max_tokens"] = json!(512);
    here.write("new.json", &template.to_string());
    here.ok(&["template", "apply", "new.json", "--yes"]);
    for server in [&first, &second] {
        soon(&server.address, "/api/v1/profile", &token, |profile| {
            value(profile, "config.max_tokens") == 512 && profile["template_version"] == 2
        });
    }

    // The template by hand, which becomes a version of its own.
    let shell = mongodb::Client::with_uri_str(database.uri()).await.unwrap();
    let shell = shell
        .default_database()
        .unwrap_or_else(|| shell.database("NEXUS_DB_DEV"));
    let templates = shell.collection::<mongodb::bson::Document>("configurations");
    let edit = doc! {"$set": {"user_defaults.config.max_tokens": 256}};
    let edited = templates.update_one(doc! {}, edit).await.unwrap();
    assert_eq!(edited.modified_count, 1);
    for server in [&first, &second] {
        soon(&server.address, "/api/v1/profile", &token, |profile| {
            value(profile, "config.max_tokens") == 256
        });
    }

    // And the end of all of it.
    let erased = there.json(&["identity", "delete", &key, "--yes"]);
    assert_eq!(erased["messages"], 2, "{erased:#}");
    let begun = Instant::now();
    while http::get(&first.address, "/api/v1/profile", Some(&token)).0 != 401 {
        assert!(begun.elapsed() < http::SOON, "still let in");
    }
    assert_eq!(
        (first.stop("TERM"), second.stop("TERM")),
        (Some(0), Some(0))
    );
}

#[tokio::test]
async fn a_server_waits_for_a_database_that_is_not_there_yet() {
    let mut database = ReplicaSet::new(1);
    let home = home(&database);
    let server = home.serve();
    assert!(
        server.report.contains("does not answer"),
        "{}",
        server.report
    );
    let log = server.log();
    assert!(
        log.contains("Loading minimal emergency fallback configuration"),
        "{log}"
    );
    assert_eq!(http::get(&server.address, "/livez", None).0, 200);
    let (status, ready) = http::get(&server.address, "/readyz", None);
    assert_eq!(status, 503, "{ready:#}");

    database.start().await;
    home.ok(&["init"]);
    let begun = Instant::now();
    loop {
        let (status, ready) = http::get(&server.address, "/readyz", None);
        if status == 200 && ready["status"] == "ready" {
            break;
        }
        assert!(begun.elapsed() < http::SOON, "{ready:#}");
    }
    let (_, token) = home.member();
    assert!(http::text(&http::chat(&server.address, &token, "Hello")).contains("mirror"));
}

/// The name of both servers.
const NAME: &str = "nexus.test";

/// A request of JSON, by what goes over the wire.
struct Request {
    line: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Request {
    fn post(path: &str, body: &Value) -> Self {
        let headers = [("host", NAME), ("content-type", "application/json")];
        Self {
            line: format!("POST {path}"),
            headers: headers.map(|(name, value)| (name, value.to_owned())).into(),
            body: body.to_string(),
        }
    }

    fn signed(mut self, key: &SigningKey, token: &str) -> Self {
        let target = Target {
            method: "POST",
            authority: NAME,
            path: self.line.strip_prefix("POST ").unwrap(),
            query: None,
        };
        let content = Content {
            media_type: "application/json",
            body: self.body.as_bytes(),
        };
        let terms = SignatureTerms::new(1, SystemClock.now()).unwrap();
        let signature = sign(key, target, Some(&content), &terms).unwrap();
        let lines = signature.iter();
        self.headers
            .extend(lines.map(|(name, value)| (name, value.to_owned())));
        self.headers
            .push(("authorization", format!("Bearer {token}")));
        self
    }

    fn send(&self, address: &str) -> (u16, Value) {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers.map(|(name, value)| (*name, &**value)).collect();
        http::call(address, &self.line, &headers, &self.body)
    }

    /// How many of a hundred copies succeed, sent to both at once.
    fn hundred(&self, addresses: [&str; 2]) -> usize {
        thread::scope(|scope| {
            let copies = addresses.iter().cycle().take(100);
            let copies = copies.map(|address| scope.spawn(|| self.send(address).0));
            let copies: Vec<_> = copies.collect();
            let answers = copies.into_iter().map(|copy| copy.join().unwrap());
            let answers: Vec<_> = answers.collect();
            assert!(
                answers.iter().all(|status| [200, 401].contains(status)),
                "{answers:?}"
            );
            answers.iter().filter(|status| **status == 200).count()
        })
    }
}

#[tokio::test]
async fn t02_what_was_used_on_one_server_is_used_on_all() {
    let mut database = ReplicaSet::new(1);
    database.start().await;
    let settings = format!(
        "database: {}\npublic_origin: http://{NAME}\n",
        database.uri()
    );
    let homes = [Home::new(), Home::new()];
    for home in &homes {
        home.write("nexus.yml", &settings);
    }
    let [first, second] = homes.each_ref().map(Home::serve);
    let both = [&*first.address, &*second.address];

    let key = SigningKey::from_bytes(&[1; 32]).unwrap();
    let (status, challenge) = Request::post("/api/v1/auth/challenge", &json!({})).send(both[0]);
    assert_eq!(status, 200, "{challenge:#}");
    let text = challenge["message_template"].as_str().unwrap();
    let text = text.replace("{address}", &key.public_key().to_checksummed());
    let signature = key.sign_message(text.as_bytes()).to_string();
    let verify = json!({ "message": text, "signature": signature });
    // The challenge of one is accepted by the other, once.
    let verify = Request::post("/api/v1/auth/verify", &verify);
    let (status, session) = verify.send(both[1]);
    assert_eq!(status, 200, "{session:#}");
    assert_eq!(verify.hundred(both), 0);

    let token = session["token"].as_str().unwrap();
    let identity = json!({ "command": "identity" });
    let identity = Request::post("/api/v1/commands/execute", &identity).signed(&key, token);
    assert_eq!(identity.hundred(both), 1);
    let (status, refused) = identity.send(both[0]);
    assert_eq!(
        (status, &refused["error"]["details"]["reason"]),
        (401, &json!("replayed"))
    );
    // Behind a public name, somebody decides who is let in.
    let again = json!({ "command": "identity" });
    let again = Request::post("/api/v1/commands/execute", &again).signed(&key, token);
    let (_, registered) = again.send(both[1]);
    let data = &registered["data"];
    assert_eq!(
        (&data["created"], &data["standing"]),
        (&json!(false), &json!("pending"))
    );

    // A session that ends on one has ended on the other.
    let out = Request {
        line: "DELETE /api/v1/auth/session".to_owned(),
        headers: vec![
            ("host", NAME.to_owned()),
            ("authorization", format!("Bearer {token}")),
        ],
        body: String::new(),
    };
    assert_eq!(out.send(both[0]).0, 200);
    let begun = Instant::now();
    let show = Request {
        line: "GET /api/v1/auth/session".to_owned(),
        ..out
    };
    while show.send(both[1]).0 != 401 {
        assert!(begun.elapsed() < http::SOON, "still signed in");
    }
}
