//! Databases of the original Python NEXUS, made ready: documents of every odd shape.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use mongodb::Database;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Decimal128, Document, Regex, Timestamp, doc};
use nexus_core::PublicKey;
use nexus_store::installation::Tally;
use nexus_store::{
    Change, Concern, ConfigStore, Findings, IdentityStore, MessageStore, MongoOptions, Original,
};

use super::Mongo;
use crate::samples::{key, run, set};

async fn original(place: &Mongo) -> Original {
    let options = MongoOptions::default();
    Original::connect(&place.uri, &place.name, options)
        .await
        .unwrap()
}

async fn survey(place: &Mongo) -> Findings {
    original(place).await.survey(&mut |_| ()).await.unwrap()
}

async fn apply(place: &Mongo) -> Findings {
    original(place).await.apply(&mut |_| ()).await.unwrap()
}

fn counts<K: Ord + Copy>(tallies: &BTreeMap<K, Tally>) -> Vec<(K, u64)> {
    tallies.iter().map(|(kind, it)| (*kind, it.count)).collect()
}

/// An address with letters in it, as somebody's wallet shows it.
fn mixed(number: u64) -> String {
    key(number).to_checksummed()
}

fn lower(number: u64) -> String {
    key(number).to_string()
}

fn written() -> DateTime {
    DateTime::from_millis(1_760_000_000_123)
}

/// What JSON has no words for.
fn treasure() -> Document {
    doc! {
        "since": written(), "id": ObjectId::from_bytes([7; 12]), "exact": "0.70".parse::<Decimal128>().unwrap(),
        "seen": Timestamp { time: 1, increment: 2 }, "like": Regex { pattern: "a".try_into().unwrap(), options: "i".try_into().unwrap() },
        "a.b": {"$c": [1.0, 2_i64, 3_i32, Bson::Null, Bson::MinKey]},
    }
}

fn identity(id: i32, key: &str) -> Document {
    doc! {
        "_id": id, "public_key": key, "created_at": written(), "metadata": {},
        "config_overrides": {}, "prompt_overrides": {},
    }
}

fn message(id: impl Into<Bson>, owner: &str, role: &str) -> Document {
    let id = id.into();
    let name = format!(
        "msg_{}",
        id.to_string().replace(|c: char| !c.is_alphanumeric(), "")
    );
    doc! {
        "_id": id, "id": name, "run_id": "run_old", "owner_key": owner, "role": role,
        "content": "hello", "timestamp": written(), "metadata": {},
    }
}

async fn dump(shell: &Database, collection: &str) -> Vec<Document> {
    let collection = shell.collection::<Document>(collection);
    let all = collection
        .find(doc! {})
        .sort(doc! {"_id": 1})
        .await
        .unwrap();
    all.try_collect().await.unwrap()
}

async fn everything(shell: &Database) -> BTreeMap<String, Vec<Document>> {
    let mut all = BTreeMap::new();
    for name in shell.list_collection_names().await.unwrap() {
        let mut documents = dump(shell, &name).await;
        let collection = shell.collection::<Document>(&name);
        let indexes = collection.list_index_names().await.unwrap();
        documents.push(doc! {"indexes": indexes});
        all.insert(name, documents);
    }
    all
}

async fn put(shell: &Database, collection: &str, documents: Vec<Document>) {
    let collection = shell.collection::<Document>(collection);
    collection.insert_many(documents).await.unwrap();
}

fn without(mut document: Document, field: &str) -> Document {
    document.remove(field);
    document
}

fn with(mut document: Document, more: Document) -> Document {
    document.extend(more);
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing_and_tells_what_a_run_does() {
    let place = Mongo::shared().await;
    let shell = place.shell().await;
    let bare = without(
        without(identity(1, &mixed(1)), "config_overrides"),
        "metadata",
    );
    put(&shell, "identities", vec![bare, identity(2, &lower(2))]).await;
    put(&shell, "messages", vec![message(1, &mixed(1), "HUMAN")]).await;
    let template = doc! {"environment": "development", "config_data": {"system": {"a": 1}}};
    put(&shell, "configurations", vec![template]).await;

    let before = everything(&shell).await;
    let told = survey(&place).await;
    assert_eq!(everything(&shell).await, before);
    assert_eq!(told.without_overrides, 1);

    let done = apply(&place).await;
    assert_eq!(done.changes, told.changes);
    assert_eq!(done.without_overrides, 0);
    let expected = [
        (Change::UnwrapTemplate, 1),
        (Change::FillInIdentity, 1),
        (Change::LowerKey, 1),
        (Change::LowerOwner, 1),
        (Change::RenameRole, 1),
    ];
    assert_eq!(counts(&done.changes), expected);
    assert!(done.concerns.is_empty());

    let after = everything(&shell).await;
    let again = apply(&place).await;
    assert!(again.is_in_form(), "{again:?}");
    assert_eq!(everything(&shell).await, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shape_gets_its_form_and_what_is_unknown_stays_type_for_type() {
    let place = Mongo::shared().await;
    let shell = place.shell().await;
    let strange = doc! {
        "zebra": treasure(), "public_key": mixed(1), "config_overrides": {"later": treasure(), "model": "m"},
        "created_at": written(), "prompt_overrides": Bson::Null, "ant": treasure(), "_id": "text",
    };
    let shouted = format!("0x{}", lower(2)[2..].to_uppercase());
    put(
        &shell,
        "identities",
        vec![
            strange.clone(),
            identity(2, &shouted),
            identity(3, &lower(3)),
        ],
    )
    .await;
    let object = ObjectId::from_bytes([9; 12]);
    let strange_message = with(
        message(object, &mixed(1), "Role.AI"),
        doc! {"extra": treasure()},
    );
    put(
        &shell,
        "messages",
        vec![
            strange_message.clone(),
            with(
                message(1, &shouted, "assistant"),
                doc! {"metadata": Bson::Null},
            ),
            without(message(2_i64, &lower(3), "human"), "metadata"),
            message("three", &lower(3), "TOOL"),
        ],
    )
    .await;

    let done = apply(&place).await;
    assert!(done.concerns.is_empty(), "{done:?}");
    let stored = dump(&shell, "identities").await;
    let lowered = |number: u64| doc! {"public_key": lower(number)};
    assert_eq!(stored[0], with(identity(2, ""), lowered(2)));
    assert_eq!(stored[1], identity(3, &lower(3)));
    let expected = with(strange, lowered(1));
    let expected = with(expected, doc! {"prompt_overrides": {}, "metadata": {}});
    assert_eq!(stored[2], expected, "in the same order, too");

    let stored = dump(&shell, "messages").await;
    let mine = |number: u64, role: &str| doc! {"owner_key": lower(number), "role": role};
    assert_eq!(stored[0], with(message(1, "", ""), mine(2, "ai")));
    assert_eq!(
        stored[1],
        without(message(2_i64, &lower(3), "human"), "metadata")
    );
    assert_eq!(stored[2], message("three", &lower(3), "tool"));
    assert_eq!(stored[3], with(strange_message, mine(1, "ai")));

    let store = place.store().await;
    for number in 1..=3 {
        let member = store.identity(key(number)).await.unwrap().unwrap();
        let history = store.history(&member, 9, &run("x")).await.unwrap();
        assert_eq!(history.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_differ_only_in_case_are_reported_and_not_touched() {
    let place = Mongo::shared().await;
    let shell = place.shell().await;
    let shouted = format!("0x{}", lower(1)[2..].to_uppercase());
    let bare = |id, key: &str| without(identity(id, key), "config_overrides");
    let identities = vec![
        bare(1, &lower(1)),
        bare(2, &mixed(1)),
        bare(3, &shouted),
        identity(4, &mixed(2)),
        identity(5, &lower(3)),
        identity(6, &lower(3)),
    ];
    put(&shell, "identities", identities.clone()).await;
    let messages = vec![
        message(1, &mixed(1), "HUMAN"),
        message(2, &lower(1), "human"),
        message(3, &mixed(2), "human"),
    ];
    put(&shell, "messages", messages.clone()).await;

    for _ in 0..2 {
        let done = apply(&place).await;
        assert_eq!(
            counts(&done.concerns),
            [(Concern::Collision, 2), (Concern::HeldBack, 1)]
        );
        let told = &done.concerns[&Concern::Collision].names;
        for spelling in [lower(1), mixed(1), shouted.clone()] {
            assert!(told.iter().any(|it| it.contains(&spelling)), "{told:?}");
        }
        assert!(done.concerns[&Concern::HeldBack].names[0].contains("msg_1 of"));
        assert_eq!(done.without_overrides, 3);
        let stored = dump(&shell, "identities").await;
        assert_eq!(
            [&stored[..3], &stored[4..]],
            [&identities[..3], &identities[4..]]
        );
        assert_eq!(stored[3], identity(4, &lower(2)));
        let stored = dump(&shell, "messages").await;
        assert_eq!(stored[..2], messages[..2]);
        assert_eq!(stored[2], message(3, &lower(2), "human"));
    }

    // Somebody decides, and the rest follows.
    let collection = shell.collection::<Document>("identities");
    let losers = doc! {"_id": {"$in": [1, 3, 6]}};
    collection.delete_many(losers).await.unwrap();
    let done = apply(&place).await;
    assert!(done.concerns.is_empty(), "{done:?}");
    assert_eq!(done.without_overrides, 0);
    let store = place.store().await;
    let member = store.identity(key(1)).await.unwrap().unwrap();
    let page = store.messages(&member, 9, None).await.unwrap();
    assert_eq!(page.messages.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nexus_cannot_read_is_reported_by_name_and_kept() {
    let place = Mongo::shared().await;
    let shell = place.shell().await;
    let identities = vec![
        identity(1, "0x_YU"),
        without(identity(2, &lower(2)), "created_at"),
        with(identity(3, &lower(3)), doc! {"config_overrides": [1]}),
        without(identity(4, ""), "public_key"),
        with(identity(5, &lower(5)), doc! {"created_at": "2025-10-11"}),
    ];
    put(&shell, "identities", identities.clone()).await;
    let good = |id: i32| message(id, &lower(9), "human");
    let messages = vec![
        without(good(1), "id"),
        with(good(2), doc! {"id": "no-prefix"}),
        with(good(3), doc! {"content": {"text": "hello"}}),
        with(good(4), doc! {"timestamp": 1.5}),
        with(good(5), doc! {"role": "developer"}),
        with(good(6), doc! {"owner_key": "0x_GUEST"}),
        without(good(7), "run_id"),
        with(good(8), doc! {"metadata": "text"}),
        without(good(9), "owner_key"),
    ];
    put(&shell, "messages", messages.clone()).await;
    let templates = vec![
        doc! {"_id": 1, "environment": "staging"},
        doc! {"_id": 2, "environment": "production", "system": {}, "config_data": {"system": {"a": 1}}},
        doc! {"_id": 3, "environment": "development", "config_data": {"version": 7}},
    ];

    put(&shell, "configurations", templates.clone()).await;

    let done = apply(&place).await;
    let expected = [
        (Concern::Template, 3),
        (Concern::Identity, 5),
        (Concern::Message, 9),
    ];
    assert_eq!(counts(&done.concerns), expected);
    assert!(done.is_in_form());
    assert_eq!(dump(&shell, "identities").await, identities);
    assert_eq!(dump(&shell, "messages").await, messages);
    assert_eq!(dump(&shell, "configurations").await, templates);
    let told = done.concerns[&Concern::Message].names.join("\n");
    for part in [
        "without an id (_id 1)",
        "msg_4 (_id 4): timestamp",
        "\"developer\"",
        "0x_GUEST",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(
        !told.contains("hello"),
        "what people say is nobody's business"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrapped_template_moves_to_the_top_and_is_kept_as_it_was() {
    let place = Mongo::shared().await;
    let shell = place.shell().await;
    let wrapped = doc! {
        "_id": 1, "updated": written(), "environment": "production",
        "config_data": {"environment": "production", "system": {"since": written()}, "llm": {"catalog": {"gpt-4.1": {}}}},
        "last": 1,
    };
    put(&shell, "configurations", vec![wrapped.clone()]).await;
    let store = place.store().await;
    let environment = nexus_core::Environment::Production;
    let before = store.template(environment).await.unwrap().unwrap();
    apply(&place).await;
    let flat = doc! {
        "_id": 1, "updated": written(), "environment": "production",
        "system": {"since": written()}, "llm": {"catalog": {"gpt-4.1": {}}}, "last": 1,
    };
    assert_eq!(dump(&shell, "configurations").await, [flat]);
    let kept = dump(&shell, "configuration_versions").await;
    assert_eq!(kept[0].get("config_data"), wrapped.get("config_data"));
    let after = store.template(environment).await.unwrap().unwrap();
    assert_eq!(after.version, before.version);
    for (field, value) in before.doc.as_map() {
        assert_eq!(after.doc.as_map().get(field), Some(value), "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_templates_for_one_environment_neither_is_touched() {
    let place = Mongo::shared().await;
    let shell = place.shell().await;
    let wrapped = |id: i32| doc! {"_id": id, "environment": "development", "config_data": {"system": {"a": id}}};
    put(&shell, "configurations", vec![wrapped(1), wrapped(2)]).await;
    let done = apply(&place).await;
    assert_eq!(counts(&done.concerns), [(Concern::Template, 2)]);
    assert_eq!(
        dump(&shell, "configurations").await,
        [wrapped(1), wrapped(2)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_behind_an_id_of_another_type() {
    let place = Mongo::shared().await;
    let shell = place.shell().await;
    // More than a page, and the last of the first page is a number before texts.
    let numbers = (0..1000).map(|id| message(id, &lower(1), "HUMAN"));
    let texts = (0..1500).map(|id| message(format!("t{id}"), &lower(1), "HUMAN"));
    put(&shell, "messages", numbers.chain(texts).collect()).await;
    let done = apply(&place).await;
    assert_eq!(done.documents["messages"], 2500);
    assert_eq!(counts(&done.changes), [(Change::RenameRole, 2500)]);
    let left = shell.collection::<Document>("messages");
    let left = left.count_documents(doc! {"role": "HUMAN"});
    assert_eq!(left.await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_change_meanwhile_is_kept() {
    let place = Mongo::shared().await;
    let shell = place.shell().await;
    let bare = |number: u64| {
        let id = i32::try_from(number).unwrap();
        let document = without(identity(id, &lower(number)), "config_overrides");
        without(document, "prompt_overrides")
    };
    put(&shell, "identities", (0..3000).map(bare).collect()).await;
    let store = place.store().await;
    let writer = async {
        for number in (0..3000).step_by(7) {
            let member = store.identity(key(number)).await.unwrap().unwrap();
            // A conflict would mean that the migration took a decision away from somebody.
            store
                .write_override(&member, &set("temperature", 0.5))
                .await
                .unwrap();
        }
    };
    let ((), done) = tokio::join!(writer, apply(&place));
    assert_eq!(done.without_overrides, 0);
    for number in (0..3000).step_by(7) {
        let member = store.identity(key(number)).await.unwrap().unwrap();
        assert_eq!(
            (member.version, member.overrides.temperature),
            (1, Some(0.5))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_registered_meanwhile_is_a_collision() {
    let place = Mongo::shared().await;
    let shell = place.shell().await;
    let store = place.store().await;
    // The index is there, and the survey of the keys is over, when the first page is reported.
    let first = (0..1000).map(|number| identity(number, &lower(u64::try_from(number).unwrap())));
    let late = identity(1000, &mixed(5000));
    put(&shell, "identities", first.chain([late.clone()]).collect()).await;
    put(&shell, "messages", vec![message(1, &mixed(5000), "human")]).await;
    let original = original(&place).await;
    let runtime = tokio::runtime::Handle::current();
    let mut pages = 0;
    let mut register = |_: nexus_store::installation::Progress<'_>| {
        pages += 1;
        if pages == 1 {
            let key: PublicKey = lower(5000).parse().unwrap();
            let new =
                store.create_identity(key, nexus_core::Standing::Active, crate::samples::at(0));
            tokio::task::block_in_place(|| runtime.block_on(new)).unwrap();
        }
    };
    let done = original.apply(&mut register).await.unwrap();
    assert_eq!(
        counts(&done.concerns),
        [(Concern::Collision, 1), (Concern::HeldBack, 1)]
    );
    let stored = shell.collection::<Document>("identities");
    let stored = stored.find_one(doc! {"_id": 1000}).await.unwrap();
    assert_eq!(stored, Some(late));
}
