//! Whole installations, moved from store to store and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use mongodb::bson::{DateTime, Document, doc};
use nexus_core::audit::verify;
use nexus_core::auth::InstallationSecret;
use nexus_core::genesis::GenesisDoc;
use nexus_core::{
    Environment, Identity, IdentityWrite, Message, Metadata, NonceId, Role, Scope, Session,
    Standing, UsageCount,
};
use nexus_store::installation::{
    Checked, Installation, Kind, Reader, Record, Survey, Transfer, TransferError, WholeIdentity,
};
use nexus_store::{
    ConfigStore, EmbeddedStore, IdentityStore, MessageStore, MongoInstallation, MongoOptions,
    SessionStore, Store, StoreError, StoredTemplate,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::Mongo;
use crate::contract::Place;
use crate::contract::messages::walk;
use crate::samples::{
    api_key, at, audit, far, key, message, new_run, run, session, set, template, used,
};

async fn installation(place: &Mongo) -> MongoInstallation {
    let options = MongoOptions::default();
    MongoInstallation::connect(&place.uri, &place.name, options)
        .await
        .unwrap()
}

fn folder() -> (TempDir, EmbeddedStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path()).unwrap();
    (folder, store)
}

async fn copy(source: &dyn Installation, target: &dyn Installation) -> Vec<Checked> {
    let transfer = Transfer {
        source,
        target,
        at: at(0),
    };
    transfer.copy(&mut |_| ()).await.unwrap();
    let checked = transfer.check(&mut |_| ()).await.unwrap();
    for both in &checked {
        assert_eq!(both.source, both.target, "{:?}", both.kind);
    }
    checked
}

async fn survey(
    source: &dyn Installation,
    target: &dyn Installation,
) -> Result<Vec<Survey>, TransferError> {
    Transfer {
        source,
        target,
        at: at(0),
    }
    .survey(&mut |_| ())
    .await
}

/// Something of every kind, through the doors that everybody uses.
async fn fill(store: &dyn Store) {
    for number in 1..=30 {
        let owner = store
            .create_identity(key(number), Standing::Active, at(5))
            .await
            .unwrap();
        let mut owner = owner.identity;
        for write in [set("temperature", 0.5), set("prompts.persona", "")] {
            owner = store.write_override(&owner, &write).await.unwrap();
        }
        for count in 0..number * 4 {
            let said = Message {
                metadata: Metadata::from_json(r#"{"cost":1.50,"é":[null]}"#.into()).unwrap(),
                ..message(&owner, Role::Human, &format!("{count} \u{0} Zoë"))
            };
            store.append(&owner, said).await.unwrap();
        }
        let standing = [Standing::Pending, Standing::Disabled];
        for write in [
            IdentityWrite::Admin(number == 1),
            IdentityWrite::Standing(standing[usize::from(number % 2 == 0)]),
        ] {
            owner = store.write_identity(&owner, write).await.unwrap();
        }
        fill_trust(store, &owner, u8::try_from(number).unwrap()).await;
        let number = number + 100;
        store
            .create_session(session(number, key(number)))
            .await
            .unwrap();
    }
    for environment in [Environment::Production, Environment::Development] {
        for version in [None, Some(1), Some(2)] {
            store
                .put_template(template(environment), version)
                .await
                .unwrap();
        }
    }
}

/// What is kept for trust: some of it revoked, used or ended.
async fn fill_trust(store: &dyn Store, owner: &Identity, number: u8) {
    let key = owner.public_key;
    let new = api_key(number, key);
    let id = new.id;
    store.create_api_key(owner, new).await.unwrap();
    store.touch_api_key(id, far(1)).await.unwrap();
    let ended = nexus_core::Timestamp::from_timestamp_millis(0).unwrap();
    for (nonce, end) in [(number, far(5)), (number + 100, ended)] {
        let nonce = NonceId::from_bytes([nonce; 32]);
        store.use_nonce(nonce, ended, end).await.unwrap();
    }
    let count = UsageCount {
        runs: number.into(),
        ..UsageCount::default()
    };
    store
        .add_usage(
            owner.created_at,
            &new_run(),
            used(key, "2026-01-31", "calm"),
            count,
        )
        .await
        .unwrap();
    store.append_audit(audit(key)).await.unwrap();
    if number == 1 {
        store.revoke_api_key(key, id, far(2)).await.unwrap();
        store.installation_secret(secret(7)).await.unwrap();
    }
}

fn secret(number: u8) -> InstallationSecret {
    InstallationSecret::from_bytes([number; 32])
}

/// Everything that people see of their messages, and a new one behind it.
async fn see(store: &Arc<dyn Store>, number: u64) -> Vec<String> {
    let owner = store.identity(key(number)).await.unwrap().unwrap();
    let pages = walk(store, &owner, 7).await;
    let history = store.history(&owner, 1000, &run("x")).await.unwrap();
    let ids = |messages: &[Message]| {
        messages
            .iter()
            .map(|it| it.id.to_string())
            .collect::<Vec<_>>()
    };
    let mut newest_first = ids(&history);
    newest_first.reverse();
    assert_eq!(newest_first, ids(&pages));
    ids(&pages)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_installation_goes_to_mongodb_and_back() {
    let (_first, source) = folder();
    let source: Arc<EmbeddedStore> = Arc::new(source);
    fill(&*source).await;
    let middle = Mongo::shared().await;
    let moved = copy(&*source, &installation(&middle).await).await;
    let counts: Vec<_> = moved.iter().map(|it| it.source.count).collect();
    assert_eq!(counts, [30, 1860, 30, 30, 30, 30, 30, 1, 6]);

    let (_second, target) = folder();
    let target = Arc::new(target);
    let back = copy(&installation(&middle).await, &*target).await;
    for (there, back) in moved.iter().zip(&back) {
        assert_eq!(there.source, back.target);
    }

    let stores: [Arc<dyn Store>; 3] = [source, middle.open().await, target];
    for number in [1, 2, 30] {
        let seen = see(&stores[0], number).await;
        for store in &stores[1..] {
            assert_eq!(see(store, number).await, seen);
            // What is said after the move comes after all of it.
            let owner = store.identity(key(number)).await.unwrap().unwrap();
            let new = message(&owner, Role::Human, "new");
            store.append(&owner, new.clone()).await.unwrap();
            let now = see(store, number).await;
            assert_eq!((&now[0], &now[1..]), (&new.id.to_string(), &seen[..]));
        }
    }
    for store in &stores[1..] {
        let owner = stores[0].identity(key(3)).await.unwrap();
        assert_eq!(
            store.identity(key(3)).await.unwrap().unwrap().overrides,
            owner.unwrap().overrides
        );
        let digest = session(104, key(104)).digest;
        assert_eq!(
            store.session(digest).await.unwrap(),
            Some(session(104, key(104)))
        );
        // What was signed stays valid, what was used once stays used, and the chain goes on.
        let own = store.installation_secret(secret(8)).await.unwrap();
        assert_eq!(own.expose(), secret(7).expose());
        let nonce = NonceId::from_bytes([3; 32]);
        assert!(!store.use_nonce(nonce, far(0), far(5)).await.unwrap());
        store.append_audit(audit(key(1))).await.unwrap();
        let chain = store.audit(0, 100).await.unwrap().entries;
        assert_eq!((chain.len(), verify(&chain)), (31, Ok(())));
        for number in [1, 3] {
            let ids = api_key(number, key(number.into())).id;
            let moved = store.api_key(ids).await.unwrap();
            assert_eq!(moved, stores[0].api_key(ids).await.unwrap());
            assert!(moved.is_some());
        }
        let (same, there) = (store.identity(key(1)), stores[0].identity(key(1)));
        assert_eq!(same.await.unwrap(), there.await.unwrap());
        // The next template counts on.
        let put = store
            .put_template(template(Environment::Production), Some(3))
            .await;
        assert_eq!(put.unwrap().version, 4);
        let versions = store
            .template_versions(Environment::Production, None, 9)
            .await;
        assert_eq!(versions.unwrap().len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_copy_has_nothing_to_do_and_a_begun_one_goes_on() {
    let (_first, source) = folder();
    fill(&source).await;
    let place = Mongo::shared().await;
    let target = installation(&place).await;
    // Stopped after so many batches, and in the middle of one: in each kind once.
    for allowed in [0, 0, 1, 0, 1, 1] {
        let stopping = Stopping {
            inner: &target,
            left: AtomicUsize::new(allowed),
        };
        let transfer = Transfer {
            source: &source,
            target: &stopping,
            at: at(0),
        };
        let stopped = transfer.copy(&mut |_| ()).await;
        assert!(
            matches!(stopped, Err(TransferError::Target(_))),
            "{allowed}"
        );
        survey(&source, &target).await.unwrap();
    }
    copy(&source, &target).await;
    let done = survey(&source, &target).await.unwrap();
    assert!(done.iter().all(|it| it.source == it.target), "{done:?}");
    copy(&source, &target).await;

    // The other way, where a batch is whole or not there.
    let (_second, back) = folder();
    let stopping = Stopping {
        inner: &back,
        left: AtomicUsize::new(2),
    };
    let transfer = Transfer {
        source: &target,
        target: &stopping,
        at: at(0),
    };
    transfer.copy(&mut |_| ()).await.unwrap_err();
    copy(&target, &back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_holds_something_else_is_refused_and_left_alone() {
    let (_first, source) = folder();
    fill(&source).await;
    for number in 0..4 {
        let place = Mongo::shared().await;
        let store = place.store().await;
        match number {
            0 => {
                _ = store
                    .create_identity(key(7), Standing::Active, at(6))
                    .await
                    .unwrap();
            }
            1 => {
                // The same as in the source, but somebody has changed something since.
                copy(&source, &installation(&place).await).await;
                let owner = store.identity(key(30)).await.unwrap().unwrap();
                store
                    .write_override(&owner, &set("max_tokens", 5))
                    .await
                    .unwrap();
            }
            2 => store.create_session(session(1, key(1))).await.unwrap(),
            _ => {
                let put = store.put_template(template(Environment::Development), None);
                put.await.unwrap();
            }
        }
        let target = installation(&place).await;
        let refused = survey(&source, &target).await;
        match refused {
            Err(TransferError::NotEmpty { .. }) => {}
            // It is just what the source begins with, as far as it goes.
            Ok(_) if number == 3 => {}
            other => panic!("{number}: {other:?}"),
        }
    }
    // A whole copy, and one message more.
    let place = Mongo::shared().await;
    let target = installation(&place).await;
    copy(&source, &target).await;
    let store = place.store().await;
    let owner = store.identity(key(1)).await.unwrap().unwrap();
    store
        .append(&owner, message(&owner, Role::Human, "new"))
        .await
        .unwrap();
    let refused = survey(&source, &target).await;
    assert!(
        matches!(refused, Err(TransferError::NotEmpty { .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_the_original_keep_the_order_of_their_time() {
    let place = Mongo::shared().await;
    let store: Arc<dyn Store> = place.open().await;
    let owner = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
    let messages = place.shell().await.collection::<Document>("messages");
    let times = [5, 1, 3, 3, 2, 3, 4_000_000_000_000];
    let old = times.iter().enumerate().map(|(number, time)| {
        doc! {
            "id": format!("msg_old-{number}"), "run_id": "run_old",
            "owner_key": key(1).to_string(), "role": "HUMAN", "content": "old",
            "timestamp": DateTime::from_millis(*time), "session_id": 1,
        }
    });
    messages.insert_many(old).await.unwrap();
    let new = message(&owner, Role::Human, "new");
    store.append(&owner, new).await.unwrap();
    let seen = see(&store, 1).await;

    let source = installation(&place).await;
    let (_folder, embedded) = folder();
    let looked = survey(&source, &embedded).await.unwrap();
    assert_eq!(looked[1].unknown["messages.session_id"], 7);
    copy(&source, &embedded).await;
    assert_eq!(see(&(Arc::new(embedded) as Arc<dyn Store>), 1).await, seen);
    let other = Mongo::shared().await;
    copy(&source, &installation(&other).await).await;
    assert_eq!(see(&other.open().await, 1).await, seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_and_nothing_is_copied() {
    let place = Mongo::shared().await;
    let shell = place.shell().await;
    let identities = shell.collection::<Document>("identities");
    let mixed =
        doc! {"public_key": key(1).to_checksummed(), "created_at": DateTime::from_millis(0)};
    identities.insert_one(mixed).await.unwrap();
    let messages = shell.collection::<Document>("messages");
    messages
        .insert_one(doc! {"content": "no owner"})
        .await
        .unwrap();
    let source = installation(&place).await;
    let (_folder, target) = folder();
    let looked = survey(&source, &target).await.unwrap();
    assert_eq!(
        (looked[0].unreadable.count, looked[1].unreadable.count),
        (1, 1)
    );
    let transfer = Transfer {
        source: &source,
        target: &target,
        at: at(0),
    };
    let refused = transfer.copy(&mut |_| ()).await;
    assert!(matches!(
        refused,
        Err(TransferError::Source(StoreError::Corrupt { .. }))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mongodb_would_change_is_refused_by_name() {
    let place = Mongo::shared().await;
    let target = installation(&place).await;
    let (_folder, source) = folder();
    let identity = WholeIdentity {
        public_key: key(1),
        created_at: at(0),
        standing: Standing::Active,
        is_admin: false,
        metadata: Map::from_iter([("large".to_owned(), json!(u64::MAX))]),
        config_overrides: Map::new(),
        prompt_overrides: Map::new(),
        version: 1,
    };
    source.add(&[Record::Identity(identity)]).await.unwrap();
    let transfer = Transfer {
        source: &source,
        target: &target,
        at: at(0),
    };
    let refused = transfer.copy(&mut |_| ()).await.unwrap_err();
    assert!(
        refused.to_string().contains(&key(1).to_string()),
        "{refused}"
    );
}

#[test]
fn whatever_an_installation_holds_comes_back_equal() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config {
        cases: 12,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&anything(), |records| {
            runtime.block_on(async {
                let (_first, source) = folder();
                for record in records {
                    // The same key or version may have been made up twice.
                    _ = source.add(&[record]).await;
                }
                let place = Mongo::shared().await;
                let middle = installation(&place).await;
                let there = copy(&source, &middle).await;
                let (_second, target) = folder();
                let back = copy(&middle, &target).await;
                for (there, back) in there.iter().zip(&back) {
                    assert_eq!(there.source, back.target);
                }
                place.shell().await.drop().await.unwrap();
            });
            Ok(())
        })
        .unwrap();
}

fn anything() -> impl Strategy<Value = Vec<Record>> {
    let identity = (1..9_u64, 0..9_i64, object(), object(), object(), 0..9_u64);
    let identity = identity.prop_map(|(number, time, metadata, config, prompts, version)| {
        Record::Identity(WholeIdentity {
            public_key: key(number),
            created_at: at(time * 1000),
            metadata,
            standing: if version == 3 {
                Standing::Pending
            } else {
                Standing::Active
            },
            is_admin: version == 4,
            config_overrides: config,
            prompt_overrides: prompts,
            version,
        })
    });
    let roles = [Role::Human, Role::Ai, Role::Tool, Role::System];
    let roles = prop::sample::select(roles.to_vec());
    let said = (
        0..999_u64,
        1..9_u64,
        roles,
        ".{0,30}",
        any::<i32>(),
        object(),
    );
    let said = said.prop_map(|(id, owner, role, content, time, metadata)| {
        Record::Message(Message {
            id: format!("msg_{id}").try_into().unwrap(),
            run_id: run(&id.to_string()),
            owner_key: key(owner),
            role,
            content,
            timestamp: at(time.into()),
            metadata: metadata.into(),
        })
    });
    let sessions = (any::<u64>(), 1..9_u64, any::<bool>()).prop_map(|(digest, owner, admin)| {
        Record::Session(Session {
            scope: if admin { Scope::Admin } else { Scope::Personal },
            ..session(digest, key(owner))
        })
    });
    let versions = (any::<bool>(), 0..6_u64, object(), ".{0,9}");
    let versions = versions.prop_map(|(production, version, document, author)| {
        let fields = document
            .into_iter()
            .map(|(name, value)| (format!("x{name}"), value));
        let doc = GenesisDoc::new(fields.collect());
        Record::Template(StoredTemplate {
            environment: if production {
                Environment::Production
            } else {
                Environment::Development
            },
            version,
            author,
            created_at: at(0),
            hash: doc.hash(),
            doc,
        })
    });
    vec(prop_oneof![identity, said, sessions, versions], 0..60)
}

/// What both stores can keep: no names with a NUL, and whole numbers of 63 bits.
fn object() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |number| {
            number.is_finite().then(|| Value::from(number))
        }),
        any::<String>().prop_map(Value::from),
    ];
    let name = || "[^\u{0}]{0,8}";
    let value = leaf.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(name(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    btree_map("[^\u{0}]{0,8}", value, 0..4).prop_map(|map| map.into_iter().collect())
}

/// A target that stops after some batches.
struct Stopping<'a> {
    inner: &'a dyn Installation,
    left: AtomicUsize,
}

#[async_trait]
impl Installation for Stopping<'_> {
    fn location(&self) -> String {
        self.inner.location()
    }

    async fn count(&self, kind: Kind) -> Result<u64, StoreError> {
        self.inner.count(kind).await
    }

    async fn read(&self, kind: Kind) -> Result<Box<dyn Reader + '_>, StoreError> {
        self.inner.read(kind).await
    }

    async fn make_ready(&self) -> Result<(), StoreError> {
        self.inner.make_ready().await
    }

    async fn add(&self, records: &[Record]) -> Result<(), StoreError> {
        let one_less = |left: usize| left.checked_sub(1);
        let left = &self.left;
        match left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) {
            Ok(_) => self.inner.add(records).await,
            // Half of a batch arrives, as when a server is killed in the middle of an insert.
            Err(_) => {
                self.inner.add(&records[..records.len() / 2]).await?;
                Err(StoreError::Unavailable {
                    reason: "stopped".to_owned(),
                })
            }
        }
    }
}
