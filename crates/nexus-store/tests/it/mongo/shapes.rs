//! T22: whatever people write, the database is asked the same questions in the same words.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};
use nexus_core::audit::Change;
use nexus_core::genesis::GenesisDoc;
use nexus_core::{
    ApiKey, Environment, Label, Metadata, NewAudit, Role, Session, Standing, UsageCount,
};
use nexus_store::{NewTemplate, Store};
use serde_json::{Map, Value, json};

use super::Mongo;
use crate::samples::{
    api_key, at, audit, document, key, message, new_run, run, session, set, template, unset, used,
};

/// Operators, paths and scripts, as text.
const HOSTILE: [&str; 8] = [
    "$where",
    "$set",
    r#"{"$gt":""}"#,
    "prompt_overrides.persona",
    "a.$[].b",
    "__proto__",
    "';return true;//",
    "$$ROOT",
];

#[tokio::test(flavor = "multi_thread")]
async fn t22_no_text_changes_what_the_database_is_asked_or_how_things_are_stored() {
    let harmless: Vec<_> = (0..HOSTILE.len()).map(|it| format!("word{it}")).collect();
    let harmless: Vec<_> = harmless.iter().map(String::as_str).collect();
    let (asked, stored) = shapes_with(&harmless).await;
    let (hostile_asked, hostile_stored) = shapes_with(&HOSTILE).await;
    assert!(
        asked.len() > 20 && stored.len() > 5,
        "{asked:#?} {stored:#?}"
    );
    assert_eq!(hostile_asked, asked);
    assert_eq!(hostile_stored, stored);
}

/// The shapes of all commands and of all documents when people write these texts.
async fn shapes_with(texts: &[&str]) -> (BTreeSet<String>, BTreeSet<String>) {
    let place = Mongo::shared().await;
    let store: Box<dyn Store> = Box::new(place.store().await);
    let shell = place.shell().await;
    shell.run_command(doc! {"profile": 2}).await.unwrap();
    for (number, text) in (1..).zip(texts) {
        write(&*store, number, text).await;
    }
    let stored = documents(&shell).await;
    for number in (1..).take(texts.len()) {
        store.erase_identity(key(number)).await.unwrap();
    }
    shell.run_command(doc! {"profile": 0}).await.unwrap();
    (commands(&shell).await, stored)
}

/// Says this text wherever a text can be said, and reads it back.
async fn write(store: &dyn Store, number: u64, text: &str) {
    let environment = Environment::Development;
    let me = key(number);
    let mut document: Value = serde_json::to_value(document()).unwrap();
    document["system"]["app_name"] = json!(text);
    document["user_defaults"]["prompts"]["persona"]["content"] = json!(text);
    let new = NewTemplate {
        doc: GenesisDoc::from_value(document).unwrap(),
        author: text.to_owned(),
        ..template(environment)
    };
    let version = store.template(environment).await.unwrap();
    let version = version.map(|template| template.version);
    store.put_template(new, version).await.unwrap();

    let created = store.create_identity(me, Standing::Active, at(0)).await;
    let mut owner = created.unwrap().identity;
    owner = store
        .write_override(&owner, &set("prompts.persona", text))
        .await
        .unwrap();
    assert_eq!(store.identity(me).await.unwrap().unwrap(), owner);
    let persona = owner.overrides.prompts.values().next().unwrap();
    assert_eq!(&**persona, text);
    let said = nexus_core::Message {
        metadata: Metadata::from(Map::from_iter([("tool_name".to_owned(), json!(text))])),
        ..message(&owner, Role::Human, text)
    };
    store.append(&owner, said).await.unwrap();
    assert_eq!(
        store.history(&owner, 3, &run("x")).await.unwrap()[0].content,
        text
    );
    let page = store.messages(&owner, 3, None).await.unwrap();
    assert_eq!(page.messages[0].content, text);

    let session = Session {
        client: Label::cut(text),
        ..session(number, me)
    };
    store.create_session(session).await.unwrap();
    assert_eq!(store.sessions(me).await.unwrap()[0].client.as_str(), text);
    let id = u8::try_from(number).unwrap();
    let key = ApiKey {
        name: Label::cut(text),
        models: Some([text.to_owned()].into()),
        ..api_key(id, me)
    };
    store.create_api_key(&owner, key).await.unwrap();
    assert_eq!(store.api_keys(me).await.unwrap()[0].name.as_str(), text);
    let change = Change::new(Some(&json!(text)), Some(&json!(text)));
    let done = NewAudit {
        action: Label::cut(text),
        target: Label::cut(text),
        details: [("prompts.persona".to_owned(), change)].into(),
        signature: Some(text.to_owned()),
        ..audit(me)
    };
    store.append_audit(done).await.unwrap();
    let day = "2026-01-01".parse().unwrap();
    let used = used(me, "2026-01-01", text);
    store
        .add_usage(owner.created_at, &new_run(), used, UsageCount::default())
        .await
        .unwrap();
    assert_eq!(store.usage(me, day, day).await.unwrap()[0].key.model, text);
    store
        .write_override(&owner, &unset("prompts.persona"))
        .await
        .unwrap();
}

/// The shape of everything that is stored.
async fn documents(shell: &Database) -> BTreeSet<String> {
    let mut shapes = BTreeSet::new();
    for name in shell.list_collection_names().await.unwrap() {
        if name.starts_with("system.") {
            continue;
        }
        let all = shell.collection::<Document>(&name).find(doc! {}).await;
        let all: Vec<_> = all.unwrap().try_collect().await.unwrap();
        shapes.extend(all.iter().map(|it| format!("{name} {}", shape(it))));
    }
    shapes
}

/// The shape of every command, as the profiler of the database saw it.
async fn commands(shell: &Database) -> BTreeSet<String> {
    let profile = shell.collection::<Document>("system.profile");
    let all = profile.find(doc! {}).await.unwrap();
    let all: Vec<_> = all.try_collect().await.unwrap();
    let ours = all.iter().filter(|it| {
        let place = it.get_str("ns").unwrap();
        // The pulse beats whether or not anybody asks, and so does what waits for changes.
        !["nodes", "$cmd", "system."]
            .iter()
            .any(|other| place.contains(other))
    });
    let shapes = ours.map(|it| {
        let mut command = it.get_document("command").unwrap().clone();
        for envelope in ["lsid", "$clusterTime", "txnNumber", "$db", "cursor"] {
            command.remove(envelope);
        }
        let (_, place) = it.get_str("ns").unwrap().split_once('.').unwrap();
        format!("{} {place} {}", it.get_str("op").unwrap(), shape(&command))
    });
    shapes.filter(|it| !it.starts_with("getmore")).collect()
}

/// The names of the fields with the types of their values.
fn shape(document: &Document) -> String {
    let fields = document.iter();
    let fields: Vec<_> = fields
        .map(|(name, value)| format!("{name}: {}", shape_of(value)))
        .collect();
    format!("{{{}}}", fields.join(", "))
}

fn shape_of(value: &Bson) -> String {
    match value {
        Bson::Document(inside) => shape(inside),
        Bson::Array(items) => {
            let items: BTreeSet<_> = items.iter().map(shape_of).collect();
            format!("{items:?}")
        }
        // Whole numbers are as wide as they need to be.
        Bson::Int32(_) | Bson::Int64(_) => "number".to_owned(),
        other => format!("{:?}", other.element_type()),
    }
}
