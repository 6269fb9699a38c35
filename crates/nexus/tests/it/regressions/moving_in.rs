//! A database of the original, unreadable documents, administration.

use std::os::unix::fs::PermissionsExt as _;

use mongodb::bson::{DateTime, Document, doc};
use mongodb::{Client, Database};
use serde_json::{Value, json};

use super::provider::Provider;
use crate::http::{chat, get, text};
use crate::mongod;
use crate::program::{Done, Home};

const KEY: &str = "sk-in-clear-0123456789";

/// A database of the original, and a folder to work in.
struct Original {
    home: Home,
    uri: String,
    database: Database,
}

impl Original {
    async fn new(name: &str, template: Document, identities: Vec<Document>) -> Self {
        let name = format!("nexus_{}_{name}", std::process::id());
        let server = mongod::shared().await;
        let client = Client::with_uri_str(&server).await.unwrap();
        let database = client.database(&name);
        let configurations = database.collection("configurations");
        configurations.insert_one(template).await.unwrap();
        let people = database.collection("identities");
        people.insert_many(identities).await.unwrap();
        Self {
            home: Home::new(),
            uri: server.replace("/?", &format!("/{name}?")),
            database,
        }
    }

    fn run(&self, arguments: &[&str]) -> Done {
        let database = ["--database", self.uri.as_str()];
        self.home.run(&[arguments, &database[..]].concat())
    }

    /// Every document of every collection, for finding what must not be there.
    async fn everything(&self) -> String {
        use futures_util::TryStreamExt as _;

        let mut all = Vec::new();
        for name in self.database.list_collection_names().await.unwrap() {
            let collection = self.database.collection::<Document>(&name);
            let found = collection.find(doc! {}).await.unwrap();
            let found: Vec<_> = found.try_collect().await.unwrap();
            all.push(format!("{name}: {found:?}"));
        }
        all.join("\n")
    }

    async fn end(self) {
        self.database.drop().await.unwrap();
    }
}

fn person(digits: &str, config: Document, prompts: Document) -> Document {
    doc! {
        "public_key": format!("0x{}", digits.repeat(20)), "created_at": DateTime::from_millis(0),
        "metadata": {}, "config_overrides": config, "prompt_overrides": prompts,
    }
}

/// The template of the case: nothing is editable, and the key is in clear.
fn locked(base_url: &str) -> Document {
    doc! {
        "environment": "production",
        "llm": {
            "providers": {"p": {"api_key": KEY, "base_url": base_url}},
            "catalog": {"m": {"provider": "p", "id": "m"}},
        },
        "user_defaults": {
            "config": {"model": "m", "temperature": 0.8},
            "prompts": {
                "persona": {"content": "Be kind.", "editable": true, "order": 1},
                "system": {"content": "Be honest.", "editable": false, "order": 2},
                "friends_profile": {"content": "", "editable": true, "order": 3},
            },
        },
        "ui": {"editable_fields": [], "field_options": {}},
    }
}

fn likes_tea() -> Document {
    person(
        "ab",
        doc! {"temperature": 0.3},
        doc! {"friends_profile": "Likes tea"},
    )
}

/// The number of a finding's line, such as `to decide`.
#[track_caller]
fn says(done: &Done, parts: &[&str]) {
    for part in parts {
        assert!(
            done.out.contains(part) || done.err.contains(part),
            "{part}: {done:#?}"
        );
    }
    let said = format!("{}{}", done.out, done.err);
    assert!(!said.contains(KEY), "a key is shown: {done:#?}");
}

/// M2: `migrate` looks at the template as `apply` would, and says who loses what.
#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_locks_everything_is_told() {
    let template = locked("http://127.0.0.1:9/v1");
    let place = Original::new("told", template, vec![likes_tea()]).await;
    let begun = place.everything().await;
    place.run(&["migrate"]);
    assert_eq!(place.everything().await, begun, "a dry run changes nothing");
    for arguments in [&["migrate"][..], &["migrate", "--apply", "--yes"]] {
        let told = place.run(arguments);
        assert_eq!(told.code, Some(1), "{told:#?}");
        says(
            &told,
            &[
                "the template cannot be used in production",
                "/llm/providers/p/api_key: found a key in clear",
                "overrides of 1 person would have no effect (config.temperature, prompts.friends_profile)",
                "--repair-template",
            ],
        );
    }
    let before = place.everything().await;
    let offered = place.run(&["migrate", "--repair-template"]);
    says(&offered, &["NEXUS_KEY_P", "provider-keys.yml", "a dry run"]);
    assert!(
        !place.home.path("data").exists(),
        "a dry run writes nothing"
    );
    assert_eq!(
        place.everything().await,
        before,
        "a dry run changes nothing"
    );
    place.end().await;
}

/// M2: three commands lead from a dump of the original to a server that is ready, with every
/// override in force and the key out of the database.
#[tokio::test(flavor = "multi_thread")]
async fn three_commands_end_with_a_server_that_is_ready() {
    let provider = Provider::start(|request| request.say("Hello.", 7, 3));
    let mut unreadable = person("00", doc! {}, doc! {});
    unreadable.insert("public_key", "0xsomebody");
    let template = locked(&provider.base_url);
    let place = Original::new("ready", template, vec![likes_tea(), unreadable]).await;

    let told = place.run(&["migrate"]);
    assert_eq!(told.code, Some(1), "{told:#?}");
    let apply = ["migrate", "--apply", "--repair-template", "--yes"];
    let done = place.run(&apply);
    says(&done, &["provider-keys.yml", "stored as version 1"]);
    let file = place.home.path("data/provider-keys.yml");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        !place.everything().await.contains(KEY),
        "the key is still in the database"
    );

    let again = place.run(&apply);
    says(&again, &["0xsomebody"]);
    assert!(
        !again.out.contains("template"),
        "nothing to do twice: {again:#?}"
    );

    let database = [
        "--database",
        place.uri.as_str(),
        "--environment",
        "production",
    ];
    let server = place.home.serve_with(&database);
    let (status, ready) = get(&server.address, "/readyz", None);
    assert_eq!(status, 200, "{ready}");
    let key = format!("0x{}", "ab".repeat(20));
    let token = place
        .home
        .json(&[&["identity", "token", &key], &database[..]].concat());
    let token = token["token"].as_str().unwrap();
    let (_, profile) = get(&server.address, "/api/v1/profile", Some(token));
    for (field, value) in [
        ("config.temperature", json!(0.3)),
        ("prompts.friends_profile", json!("Likes tea")),
    ] {
        let fields = profile["fields"].as_array().unwrap();
        let found = fields.iter().find(|it| it["field"] == field).unwrap();
        assert_eq!(
            (&found["value"], &found["layer"]),
            (&value, &json!("identity"))
        );
    }
    assert_eq!(text(&chat(&server.address, token, "Hello?")), "Hello.");
    let asked = provider.requests();
    let asked = &asked.last().unwrap();
    assert_eq!(asked["temperature"], 0.3, "{asked}");
    drop(server);
    place.end().await;
}

/// M2: a prompt that says `editable: false` is never opened; whose override that is, is listed for a
/// decision. What people wrote of a block that the template lacks arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_prompt_is_for_a_person_to_decide() {
    let mut template = locked("https://models.example/v1");
    let defaults = template.get_document_mut("user_defaults").unwrap();
    let prompts = defaults.get_document_mut("prompts").unwrap();
    prompts.remove("friends_profile");
    let people = vec![
        likes_tea(),
        person("cd", doc! {"model": "m"}, doc! {"system": "Be a pirate."}),
    ];
    let wrapped = doc! {"environment": "production", "config_data": template};
    let place = Original::new("decide", wrapped, people).await;
    let done = place.run(&["migrate", "--apply", "--repair-template", "--yes"]);
    assert_eq!(done.code, Some(1), "{done:#?}");
    says(
        &done,
        &[
            "overrides of 1 person would have no effect (prompts.system)",
            "editable: false",
            "stored as version",
        ],
    );
    let shown = place.home.json(&[
        "template",
        "show",
        "--environment",
        "production",
        "--database",
        &place.uri,
    ]);
    let document: &Value = &shown["document"];
    assert_eq!(
        document["ui"]["editable_fields"],
        json!([
            "config.model",
            "config.temperature",
            "prompts.friends_profile"
        ])
    );
    assert_eq!(
        document["user_defaults"]["prompts"]["system"]["editable"],
        false
    );
    assert_eq!(
        document["user_defaults"]["prompts"]["friends_profile"]["content"],
        ""
    );
    assert!(!place.everything().await.contains(KEY));
    place.end().await;
}

/// M6: `null` in place of a map of the original is an empty one, for reading and for writing.
#[tokio::test(flavor = "multi_thread")]
async fn null_in_place_of_a_map_is_an_empty_one() {
    let mut bare = person("ef", doc! {}, doc! {});
    for map in ["config_overrides", "prompt_overrides", "metadata"] {
        bare.insert(map, mongodb::bson::Bson::Null);
    }
    let mut template = locked("https://models.example/v1");
    template.insert("environment", "development");
    template.insert(
        "ui",
        doc! {"editable_fields": ["config.temperature", "prompts.persona"]},
    );
    let place = Original::new("null", template, vec![bare]).await;
    let key = format!("0x{}", "ef".repeat(20));
    for (arguments, value) in [
        (&["config", "get", &key, "temperature"][..], "0.8"),
        (&["config", "set", &key, "temperature", "0.4"], ""),
        (&["config", "get", &key, "temperature"], "0.4"),
        (&["prompt", "set", &key, "persona", "A pirate."], ""),
        (&["prompt", "get", &key, "persona"], "A pirate."),
        (&["config", "unset", &key, "temperature"], ""),
    ] {
        let done = place.run(arguments);
        assert_eq!(
            (done.code, done.out.trim()),
            (Some(0), value),
            "{arguments:?}: {done:?}"
        );
    }
    place.end().await;
}
