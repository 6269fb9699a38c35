//! The OpenAPI document against the running server: `schemathesis` finds nothing, and each operation
//! succeeds. Requests go through a signer, as nothing but the key of a person can make a signature.

mod signer;

use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::{Value, json};

use self::signer::{Signer, Successes};
use crate::clients::installed;
use crate::http;
use crate::program::{Home, finish, repository};

const LIMITS: &str = "
limits:
  identity: { requests_per_minute: 100000, tokens_per_minute: 1000000000, daily_tokens: 1000000000,
    reads_per_minute: 1000000, changes_per_minute: 1000000 }
  ip: { sign_in_per_minute: 100000, registrations_per_hour: 100000, requests_per_minute: 1000000 }
";

/// What would take the person away who asks.
const FAREWELLS: [&str; 3] = ["erase", "revoke_sessions", "sign_out"];

#[test]
#[ignore = "takes minutes, and needs schemathesis: `make contract` runs it"]
fn the_server_keeps_to_its_contract() {
    let home = Home::new();
    let shipped = std::fs::read_to_string(repository("config.example.yml")).unwrap();
    home.write("template.yml", &(shipped + LIMITS));
    home.ok(&["init", "--config", "template.yml"]);
    let server = home.serve();
    let successes = Successes::default();
    // What is sent at random may lock out and erase the one who sends it.
    attack(&Person::new(&home, &server.address, &successes));
    Person::new(&home, &server.address, &successes).walk();
    let document = http::get(&server.address, "/api/openapi.json", None).1;
    let mut never = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            if !successes.include(&method.to_uppercase(), path) {
                never.push(format!("{method} {path}"));
            }
        }
    }
    assert!(never.is_empty(), "these never succeeded: {never:#?}");
}

/// Sends what the document allows and what it does not.
fn attack(person: &Person<'_>) {
    let tools = installed("schemathesis-python");
    let mut command = Command::new("python3");
    command
        .args(["-m", "schemathesis.cli", "run"])
        .arg(format!("http://{}/api/openapi.json", person.signer.address))
        .args(["--url", &format!("http://{}", person.signer.address)])
        .args([
            "--header",
            &format!("Authorization: Bearer {}", person.token),
        ])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            "40",
        ])
        .args(["--workers", "1", "--seed", "1", "--no-color"])
        // Whether a person may set a value is for the policy of the template to say.
        .args(["--exclude-checks", "positive_data_acceptance"]);
    for operation in FAREWELLS {
        command.args(["--exclude-operation-id", operation]);
    }
    command
        .current_dir(person.home.path("."))
        .env("PYTHONPATH", tools)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let done = finish(command.spawn().unwrap());
    assert_eq!(done.code, Some(0), "{}\n{}", done.out, done.err);
}

/// An administrator, and their signer.
struct Person<'a> {
    home: &'a Home,
    signer: Signer,
    address: String,
    token: String,
}

impl<'a> Person<'a> {
    fn new(home: &'a Home, server: &str, successes: &Successes) -> Self {
        let (address, token) = home.member();
        home.ok(&["admin", "grant", &address]);
        let signer = Signer::start(server, home.key_of(&address), successes);
        Self {
            home,
            signer,
            address,
            token,
        }
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.send_with(&self.token, (method, path), body)
    }

    fn send_with(&self, token: &str, (method, path): (&str, &str), body: Option<&Value>) -> Value {
        let authorization = format!("Bearer {token}");
        let text = body.map(Value::to_string).unwrap_or_default();
        let mut headers = vec![
            ("host", &*self.signer.address),
            ("authorization", &authorization),
            ("signature", "by the signer"),
        ];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let line = format!("{method} {path}");
        let (status, answer) = http::call(&self.signer.address, &line, &headers, &text);
        assert!((200..300).contains(&status), "{line}: {status} {answer:#}");
        answer
    }

    /// Does what cannot succeed by chance, and says farewell.
    fn walk(&self) {
        let put = |path: &str, body: &Value| self.send("PUT", path, Some(body));
        let post = |path: &str, body: &Value| self.send("POST", path, Some(body));
        let get = |path: &str| self.send("GET", path, None);
        let delete = |path: &str| self.send("DELETE", path, None);

        post("/api/v1/commands/execute", &json!({ "command": "ping" }));
        put("/api/v1/profile/temperature", &json!({ "value": 0.4 }));
        delete("/api/v1/profile/temperature");
        let made = post("/api/v1/keys", &json!({ "name": "laptop" }));
        delete(&format!(
            "/api/v1/keys/{}",
            text(&made["data"]["key"]["id"])
        ));
        post("/api/v1/chat", &json!({ "content": "Hello" }));
        let messages = get("/api/v1/messages?limit=1");
        let run = text(&messages["messages"][0]["run_id"]).to_owned();
        post(&format!("/api/v1/runs/{run}/cancel"), &json!({}));

        let template = get("/api/v1/admin/template");
        let body = json!({
            "document": template["document"], "expected_version": template["version"],
        });
        put("/api/v1/admin/template?dry_run=true", &body);
        get(&format!(
            "/api/v1/admin/template/versions/{}",
            template["version"]
        ));
        let (other, _) = self.home.member();
        let other = format!("/api/v1/admin/identities/{other}");
        get(&other);
        put(&other, &json!({ "standing": "disabled" }));
        delete(&other);
        self.quarantine();
        self.sign_in();
        self.leave();
    }

    /// Deletes a message that cannot be read.
    fn quarantine(&self) {
        let store = Connection::open(self.home.path("data/nexus.db")).unwrap();
        let spoilt =
            "UPDATE messages SET role = 'nobody' WHERE rowid = (SELECT max(rowid) FROM messages)";
        assert_eq!(store.execute(spoilt, []).unwrap(), 1);
        let found = self.send("GET", "/api/v1/admin/quarantine?collection=messages", None);
        let id = text(&found["unreadable"][0]["id"]);
        self.send(
            "DELETE",
            &format!("/api/v1/admin/quarantine/messages/{id}"),
            None,
        );
    }

    fn sign_in(&self) {
        let challenge = self.send("POST", "/api/v1/auth/challenge", None);
        let key = self.home.key_of(&self.address);
        let message = text(&challenge["message_template"])
            .replace("{address}", &key.public_key().to_checksummed());
        let signature = key.sign_message(message.as_bytes()).to_string();
        let body = json!({ "message": message, "signature": signature });
        self.send("POST", "/api/v1/auth/verify", Some(&body));
        let sessions = self.send("GET", "/api/v1/sessions", None);
        let mut others = sessions["data"].as_array().unwrap().iter();
        let other = others.find(|session| session["current"] == false).unwrap();
        let path = format!("/api/v1/sessions/{}", text(&other["id"]));
        self.send("DELETE", &path, None);
    }

    /// Each of these ends the session that it comes with.
    fn leave(&self) {
        let paths = [
            "/api/v1/sessions",
            "/api/v1/auth/session",
            "/api/v1/identity",
        ];
        for path in paths {
            let made = self.home.json(&["identity", "token", &self.address]);
            self.send_with(text(&made["token"]), ("DELETE", path), None);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
