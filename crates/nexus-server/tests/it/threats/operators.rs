//! T22: what looks like an operator of a database, in every place where something may be said.

use http::Method;
use nexus_core::{CommandName, PublicKey};
use nexus_store::{
    ApiKeyStore as _, AuditStore as _, ConfigStore as _, IdentityStore as _, SessionStore as _,
};
use serde_json::{Value, json};

use super::keys::arguments;
use super::{Place, places};
use crate::client::Call;
use crate::world::{ALICE, BOB, Person, Setup, World, key, template};

/// What no field is.
fn shapes() -> [Value; 7] {
    [
        json!({ "$gt": "" }),
        json!({ "$where": "sleep(1000)" }),
        json!({ "$oid": "507f1f77bcf86cd799439011" }),
        json!({ "a.b": 1 }),
        json!({ "__proto__": { "is_admin": true } }),
        json!([{ "$ne": null }]),
        json!({ "$expr": { "$eq": [1, 1] } }),
    ]
}

/// What no field, prompt, id or command is called.
const NAMES: [&str; 13] = [
    "$where",
    "$set",
    "a.b",
    "persona.$",
    "prompts.$where",
    "prompts.persona.content",
    "config.__proto__",
    "__proto__",
    "constructor",
    "temperature.$gt",
    r#"{"$gt":""}"#,
    "_id",
    "persona\u{0}",
];

/// A body that would do something, for each way of saying something at this place.
fn bodies(place: &Place) -> Vec<Value> {
    match place.route {
        "/api/v1/commands/execute" => {
            let known = CommandName::ALL.iter();
            let body = |name: &CommandName| {
                let mut arguments = arguments(*name);
                if *name == CommandName::KeyCreate {
                    arguments = key_arguments();
                }
                json!({ "command": name.as_str(), "arguments": arguments })
            };
            known.map(body).collect()
        }
        "/api/v1/keys" => vec![key_arguments()],
        "/api/v1/profile/{field}" if place.method == Method::PUT => vec![json!({ "value": 0.3 })],
        "/api/v1/chat" => vec![json!({
            "content": "Hi",
            "config": { "model": "calm", "temperature": 0.3, "max_tokens": 9, "tools": ["current_time"] }
        })],
        "/api/v1/auth/verify" => {
            vec![json!({ "message": "m", "signature": "0x00", "cookie": false })]
        }
        "/api/v1/admin/template" => {
            vec![json!({ "document": template(), "expected_version": 1 })]
        }
        "/api/v1/admin/identities/{key}" if place.method == Method::PUT => {
            vec![json!({ "standing": "disabled" })]
        }
        _ => vec![json!({})],
    }
}

fn key_arguments() -> Value {
    json!({ "name": "k", "scopes": ["chat"], "models": ["calm"], "days": 1 })
}

/// The same body with one thing in it that has no place there, in every place. An object inside a
/// template stays one: what it holds that nobody knows is kept and has no effect.
fn twisted(body: &Value, is_template: bool) -> Vec<Value> {
    let is_kept = is_template && body.is_object();
    let shapes = shapes().into_iter().filter(|_| !is_kept);
    let mut all: Vec<_> = shapes.collect();
    match body {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_name = !is_template && ["command", "field", "id"].contains(&&**name);
                let names = NAMES.iter().filter(|_| is_name).map(|name| json!(name));
                for twist in twisted(value, is_template).into_iter().chain(names) {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), twist);
                    all.push(fields.into());
                }
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                for twist in twisted(item, is_template) {
                    let mut items = items.clone();
                    items[place] = twist;
                    all.push(items.into());
                }
            }
        }
        _ => {}
    }
    all
}

/// One more name at the top, and in what is inside.
fn with_a_name_more(body: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for name in ["$where", "$set", "a.b", "__proto__", "owner_key", "_id"] {
        for inside in ["", "arguments", "config"] {
            let mut body = body.clone();
            let fields = match inside {
                "" => Some(&mut body),
                inside => body.get_mut(inside),
            };
            if let Some(fields) = fields {
                fields[name] = json!({ "$gt": "" });
                all.push(body);
            }
        }
    }
    all
}

fn percent(text: &str) -> String {
    let bytes = text.bytes().map(|byte| format!("%{byte:02x}"));
    bytes.collect::<Vec<_>>().concat()
}

/// Everything that somebody could have changed.
async fn everything(world: &World, people: &[PublicKey]) -> String {
    let mut all = Vec::new();
    for person in people {
        let identity = world.store.identity(*person).await.unwrap();
        let keys = world.store.api_keys(*person).await.unwrap();
        let sessions = world.store.sessions(*person).await.unwrap();
        let said = match &identity {
            Some(_) => world.stored(*person).await,
            None => Vec::new(),
        };
        all.push(format!("{identity:?} {keys:?} {sessions:?} {said:?}"));
    }
    let template = world.store.template(nexus_core::Environment::Development);
    let template = template.await.unwrap().unwrap();
    let head = world.store.audit_head().await.unwrap();
    all.push(format!("{} {head:?}", template.version));
    all.join("\n")
}

/// These read no body and have no parameter: what is sent to them is not looked at.
fn is_deaf(place: &Place) -> bool {
    ["/api/v1/auth/session", "/api/v1/auth/challenge"].contains(&place.route)
}

/// Sends it with every right that there is, and wants it to be refused.
async fn is_refused(world: &World, person: &Person, call: Call, what: &str) {
    let answer = world.drive(world.signed(person, call)).await;
    assert!(
        (400..500).contains(&answer.status) && answer.status != 401,
        "{what}: {}",
        answer.shown()
    );
}

#[tokio::test]
async fn t22_an_operator_in_a_body_is_refused_and_nothing_is_written() {
    let world = World::begin(Setup {
        admins: vec![key(1).public_key()],
        ..Setup::default()
    })
    .await;
    let person = world.member(1).await;
    let people = [person.address(), ALICE, BOB];
    let before = everything(&world, &people).await;
    let mut count = 0;
    for place in places() {
        if !place.is_unsafe() || is_deaf(&place) {
            continue;
        }
        for body in bodies(&place) {
            let is_template = place.route == "/api/v1/admin/template";
            let more = with_a_name_more(&body);
            for twist in twisted(&body, is_template).into_iter().chain(more) {
                let what = format!("{} {} {twist}", place.method, place.path);
                let call = place.call_with(twist.to_string());
                // What signs in needs no credential, and refuses what it cannot read.
                if place.route == "/api/v1/auth/verify" {
                    let status = world.drive(call).await.status;
                    assert!([401, 422].contains(&status), "{what}: {status}");
                } else {
                    is_refused(&world, &person, call, &what).await;
                }
                count += 1;
            }
        }
    }
    assert!(count > 1_000, "{count}");
    assert_eq!(everything(&world, &people).await, before);
}

#[tokio::test]
async fn t22_an_operator_in_an_address_is_refused_and_nothing_is_written() {
    let world = World::begin(Setup {
        admins: vec![key(1).public_key()],
        ..Setup::default()
    })
    .await;
    let person = world.member(1).await;
    let people = [person.address(), ALICE, BOB];
    let before = everything(&world, &people).await;
    for place in places() {
        let Some((start, end)) = place.route.split_once('{') else {
            continue;
        };
        let (_, end) = end.split_once('}').unwrap();
        for name in NAMES {
            let path = format!("{start}{}{end}", percent(name));
            let call = match bodies(&place).pop() {
                Some(body) if place.method == Method::PUT => place.call_with(body.to_string()),
                _ => place.call(),
            };
            is_refused(&world, &person, call.path(&path), &path).await;
        }
    }
    for place in places() {
        if place.is_unsafe() || place.access == nexus_server::Access::Anyone {
            continue;
        }
        for query in ["limit[$gt]=", "cursor[$ne]=1", "after[$gt]=", "$where=1"] {
            let path = format!("{}?{}", place.path, query);
            let answer = world.drive(Call::get(&path).token(&person.token)).await;
            assert!(answer.status < 500, "{path}: {}", answer.shown());
        }
    }
    assert_eq!(everything(&world, &people).await, before);
}
