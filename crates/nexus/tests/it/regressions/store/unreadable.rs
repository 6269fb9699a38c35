//! A document that cannot be read hides only itself, and everything else goes on and names it.

use mongodb::Client;
use mongodb::bson::{DateTime, Document, doc};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::http;
use crate::mongod;
use crate::program::{Home, Server};

fn template(temperature: f64) -> Value {
    json!({
        "llm": {
            "providers": {"builtin": {"protocol": "builtin"}},
            "catalog": {"echo": {"provider": "builtin", "id": "echo"}},
        },
        "user_defaults": {
            "config": {"model": "echo", "temperature": temperature},
            "prompts": {"persona": {"content": "You are Nexus.", "editable": true, "order": 1}},
        },
        "ui": {"editable_fields": ["config.temperature", "prompts.persona"]},
    })
}

/// A server, its administrator, and another member.
struct World {
    home: Home,
    server: Server,
    admin: (String, String),
    member: (String, String),
}

impl World {
    fn new(settings: &str) -> Self {
        let home = Home::new();
        home.write("nexus.yml", settings);
        home.write("template.json", &template(0.5).to_string());
        home.ok(&["init", "--config", "template.json"]);
        let admin = home.member();
        home.ok(&["admin", "grant", &admin.0]);
        let member = home.member();
        let server = home.serve();
        Self {
            home,
            server,
            admin,
            member,
        }
    }

    fn get(&self, path: &str) -> Value {
        let (status, answer) = http::get(&self.server.address, path, Some(&self.admin.1));
        assert_eq!(status, 200, "{path}: {answer:#}");
        answer
    }

    /// Everything that concerns all people goes on; `id` names what cannot be read.
    fn everything_goes_on(&self, id: &str, round: u32) {
        let names = |answer: &Value| {
            let unreadable = answer["unreadable"].as_array().unwrap();
            assert_eq!(unreadable.len(), 1, "{answer:#}");
            assert_eq!(unreadable[0]["collection"], "identities", "{answer:#}");
            assert_eq!(unreadable[0]["id"], id, "{answer:#}");
            assert_ne!(unreadable[0]["reason"], "", "{answer:#}");
        };
        let home = &self.home;
        // Where people are listed.
        let listed = home.run(&["identity", "list", "--json"]);
        assert_eq!(listed.code, Some(0), "{listed:#?}");
        let everybody: Value = serde_json::from_str(&listed.out).unwrap();
        for (key, _) in [&self.admin, &self.member] {
            assert!(everybody.to_string().contains(key), "{everybody:#}");
        }
        assert!(listed.err.contains("cannot be read"), "{listed:#?}");
        for list in [&["usage"][..], &["admin", "list"]] {
            let done = home.run(list);
            assert_eq!(done.code, Some(0), "{list:?}: {done:#?}");
            assert!(done.err.contains("cannot be read"), "{list:?}: {done:#?}");
        }
        let page = self.get("/api/v1/admin/identities");
        assert_eq!(page["identities"].as_array().unwrap().len(), 2, "{page:#}");
        names(&page);
        names(&self.get("/api/v1/admin/quarantine"));
        let quarantine = home.json(&["identity", "quarantine", "list"]);
        names(&json!({ "unreadable": quarantine }));
        // Where a change is planned for all.
        let changed = template(0.5 + f64::from(round) / 100.0);
        home.write("changed.json", &changed.to_string());
        names(&home.json(&["template", "apply", "changed.json", "--yes"]));
        let key = home.key_of(&self.admin.0);
        let version = self.get("/api/v1/admin/template")["version"].clone();
        let change = json!({"document": template(0.1), "expected_version": version});
        let path = "/api/v1/admin/template";
        let person = (&key, &*self.admin.1);
        let (status, answer) = http::put_signed(&self.server.address, path, person, &change);
        assert_eq!(status, 200, "{answer:#}");
        names(&answer);
        // Where somebody looks after the installation.
        let doctor = home.run(&["doctor", "--json"]);
        let report: Value = serde_json::from_str(&doctor.out).unwrap();
        let findings = report["findings"].as_array().unwrap().iter();
        let people: Vec<_> = findings.filter(|it| it["area"] == "people").collect();
        assert!(
            people.iter().all(|it| it["level"] != "failure"),
            "{people:#?}"
        );
        let told = people
            .iter()
            .find(|it| it["message"].as_str().unwrap().contains(id));
        let advice = told.unwrap_or_else(|| panic!("{people:#?}"))["advice"].as_str();
        assert!(advice.unwrap().contains("quarantine delete"), "{people:#?}");
        // And for everybody else.
        let said = http::text(&http::chat(&self.server.address, &self.member.1, "Hello"));
        assert!(said.contains("mirror"), "{said}");
    }

    /// Whose identity cannot be read is told so, clearly, and by every door.
    fn is_refused(&self, token: &str) {
        let address = &self.server.address;
        let (status, answer) = http::get(address, "/api/v1/profile", Some(token));
        assert_eq!(
            (status, &answer["error"]["code"]),
            (403, &json!("identity_unreadable"))
        );
        assert_eq!(http::ask(address, token, "Hello").status, 403);
        let (status, answer) = http::get(address, "/api/v1/auth/session", Some(token));
        assert_eq!((status, &answer["standing"]), (200, &json!("unreadable")));
    }

    fn quarantine_deletes(&self, id: &str) {
        let home = &self.home;
        home.fails(&["identity", "quarantine", "delete", &self.member.0, "--yes"]);
        home.ok(&["identity", "quarantine", "delete", id, "--yes"]);
        assert_eq!(home.json(&["identity", "quarantine", "list"]), json!([]));
        let entry = &home.json(&["audit", "list", "--limit", "1"])[0];
        assert_eq!(entry["action"], "quarantine.delete", "{entry:#}");
    }
}

/// M1: an identity that cannot be read hides only itself, in the embedded store.
#[test]
fn an_identity_that_cannot_be_read_hides_only_itself_in_the_embedded_store() {
    let world = World::new("");
    let file = Connection::open(world.home.path("data/nexus.db")).unwrap();
    for (round, change) in (1..).zip([
        "metadata = '[]'",
        "created_at = 9223372036854775807",
        "public_key = '0xsomebody'",
    ]) {
        let (key, token) = world.home.member();
        assert_eq!(
            http::get(&world.server.address, "/api/v1/profile", Some(&token)).0,
            200
        );
        let edit = format!("UPDATE identities SET {change} WHERE public_key = '{key}'");
        assert_eq!(file.execute(&edit, []).unwrap(), 1);
        let id = if change.contains("0xsomebody") {
            "0xsomebody"
        } else {
            world.is_refused(&token);
            &key
        };
        world.everything_goes_on(id, round);
        world.quarantine_deletes(id);
    }
    // Also in the ordinary way, by its owner's address.
    let (key, _) = world.home.member();
    let edit = format!("UPDATE identities SET metadata = '[]' WHERE public_key = '{key}'");
    assert_eq!(file.execute(&edit, []).unwrap(), 1);
    world.home.ok(&["identity", "delete", &key, "--yes"]);
    assert_eq!(
        world.home.json(&["identity", "quarantine", "list"]),
        json!([])
    );
}

/// M1: an identity that cannot be read hides only itself, in MongoDB.
#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_cannot_be_read_hides_only_itself_in_mongodb() {
    let (settings, database) = database("unreadable").await;
    let world = World::new(&settings);
    let identities = database.collection::<Document>("identities");
    let made = DateTime::from_millis(1_767_225_600_000);
    for (round, whole) in (1..).zip([
        doc! {"public_key": "0xsomebody", "created_at": made, "metadata": {},
        "config_overrides": {}, "prompt_overrides": {}},
        doc! {"public_key": "some body/with?marks&é", "created_at": made},
        doc! {"public_key": "0x00000000000000000000000000000000000000aa", "metadata": {}},
        doc! {"public_key": "0x00000000000000000000000000000000000000bb", "created_at": "2026"},
    ]) {
        let id = identities.insert_one(whole).await.unwrap().inserted_id;
        let id = id.as_object_id().unwrap().to_hex();
        tokio::task::block_in_place(|| {
            world.everything_goes_on(&id, round);
            world.quarantine_deletes(&id);
        });
    }
}

/// A database of its own, and the settings that name it.
async fn database(name: &str) -> (String, mongodb::Database) {
    let server = mongod::shared().await;
    let name = format!("nexus_{}_{name}", std::process::id());
    let client = Client::with_uri_str(&server).await.unwrap();
    let uri = server.replace("/?", &format!("/{name}?"));
    (format!("database: {uri}\n"), client.database(&name))
}

/// D8: a message with a text as its date hides only itself from its owner.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_a_text_as_its_date_hides_only_itself() {
    let (settings, database) = database("dates").await;
    let world = World::new(&settings);
    let (key, token) = &world.member;
    let address = &world.server.address;
    let say = |text: &str| {
        let events = tokio::task::block_in_place(|| http::chat(address, token, text));
        assert!(http::text(&events).contains("mirror"), "{events:#?}");
    };
    say("Hello");
    let messages = database.collection::<Document>("messages");
    // As the original wrote messages: the newest of them is the one with the text.
    for (number, timestamp) in (1..).zip([
        "2026-01-01T00:00:00".into(),
        mongodb::bson::Bson::Null,
        DateTime::from_millis(1_767_225_600_000).into(),
        mongodb::bson::Timestamp {
            time: 1,
            increment: 1,
        }
        .into(),
    ]) {
        let id = format!("msg_old{number}");
        let message = doc! {"_id": &id, "id": &id, "run_id": "run_old", "owner_key": key,
        "role": "human", "content": "Once", "timestamp": timestamp, "metadata": {}};
        messages.insert_one(message).await.unwrap();
    }
    let edit = doc! {"$set": {"timestamp": "2026-01-01T00:00:00"}};
    let newest = doc! {"owner_key": key, "role": "ai"};
    let edited = messages.update_one(newest, edit).await.unwrap();
    assert_eq!(edited.modified_count, 1);
    say("Are you there?");
    for limit in [1, 2, 3, 100] {
        let (mut read, mut hidden, mut path) =
            (Vec::new(), 0, format!("/api/v1/messages?limit={limit}"));
        loop {
            let (status, page) =
                tokio::task::block_in_place(|| http::get(address, &path, Some(token)));
            assert_eq!(status, 200, "{page:#}");
            let messages = page["messages"].as_array().unwrap().iter();
            read.extend(messages.map(|it| it["content"].as_str().unwrap().to_owned()));
            hidden += page["unreadable"].as_array().unwrap().len();
            match page["next_cursor"].as_str() {
                Some(next) => path = format!("/api/v1/messages?limit={limit}&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(read.len(), 4, "pages of {limit}: {read:?}");
        assert_eq!(
            read[1..],
            ["Are you there?", "Hello", "Once"],
            "pages of {limit}"
        );
        assert!(hidden >= 2, "pages of {limit}: {hidden}");
    }
    let listed = world.home.json(&["identity", "quarantine", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 4, "{listed:#}");
    let delete = [
        "identity",
        "quarantine",
        "delete",
        "msg_old1",
        "--collection",
        "messages",
        "--yes",
    ];
    world.home.ok(&delete);
    assert_eq!(
        world
            .home
            .json(&["identity", "quarantine", "list"])
            .as_array()
            .unwrap()
            .len(),
        3
    );
}
