//! The template in force: swapped whole, never by something worse.

use std::sync::Arc;
use std::time::Duration;

use nexus_core::audit::Actor;
use nexus_core::egress::Secrets;
use nexus_core::{Clock, Environment, Standing};
use nexus_run::LiveTemplate;
use nexus_run::live::EDITED_BY;
use nexus_store::{EmbeddedStore, Store};
use nexus_test_support::clock::ManualClock;
use nexus_test_support::model::ScriptedModel;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::world::{VISITOR, World, put_template, template};

#[tokio::test]
async fn a_change_is_noticed_without_being_told() {
    let world = World::new(ScriptedModel::default()).await;
    let live = Arc::clone(&world.orchestrator.template);
    let stop = CancellationToken::new();
    let watching = world
        .orchestrator
        .tasks
        .spawn(Arc::clone(&live).watch(world.clock.clone(), stop.clone()));
    let mut changed = template();
    changed["system"]["app_name"] = json!("Renamed");
    put_template(&*world.store, changed, Some(1)).await;
    while live.current().unwrap().version() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(&*live.current().unwrap().system().app_name, "Renamed");
    stop.cancel();
    watching.await.unwrap();
}

#[tokio::test]
async fn an_unusable_template_never_replaces_a_usable_one() {
    let world = World::new(ScriptedModel::default()).await;
    let live = &world.orchestrator.template;
    let mut broken = template();
    broken["llm"]["catalog"]["calm"]["provider"] = json!("nobody");
    put_template(&*world.store, broken, Some(1)).await;
    live.reload().await;
    assert_eq!(live.current().unwrap().version(), 1);
    let health = live.health();
    assert!(!health.is_emergency);
    assert!(
        health.problems[0].contains("/llm/catalog/calm/provider"),
        "{health:?}"
    );
    put_template(&*world.store, template(), Some(2)).await;
    live.reload().await;
    assert_eq!(
        (live.current().unwrap().version(), live.health().problems),
        (3, Vec::new())
    );
}

#[tokio::test]
async fn without_a_template_development_has_the_emergency_one_and_production_none() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(folder.path()).unwrap());
    let load = |environment| LiveTemplate::load(Arc::clone(&store), environment, Arc::default());
    let development = load(Environment::Development).await;
    assert_eq!(
        &*development.current().unwrap().default_model().name,
        "echo"
    );
    assert!(development.health().is_emergency);
    let production = load(Environment::Production).await;
    assert!(production.current().is_err());
    assert_eq!(
        production.health().problems,
        ["there is no template for production"]
    );

    put_template(&*store, template(), None).await;
    development.reload().await;
    assert_eq!(
        &*development.current().unwrap().default_model().name,
        "calm"
    );
    assert!(!development.health().is_emergency);
}

/// Changes the stored templates as somebody with a database shell would.
fn edit(folder: &TempDir, key: &str, value: &str) {
    let shell = rusqlite::Connection::open(folder.path().join("nexus.db")).unwrap();
    let sql = format!("UPDATE configurations SET doc = json_set(doc, '$.{key}', ?1)");
    assert!(shell.execute(&sql, [value]).unwrap() > 0);
}

#[tokio::test]
async fn an_edit_by_hand_is_put_in_force_though_the_version_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(folder.path()).unwrap());
    put_template(&*store, template(), None).await;
    let live = LiveTemplate::load(store, Environment::Development, Arc::default()).await;
    edit(&folder, "system.app_name", "By hand");
    live.reload().await;
    let current = live.current().unwrap();
    assert_eq!(
        (&*current.system().app_name, current.version()),
        ("By hand", 1)
    );
    assert_eq!(live.health().problems, Vec::<String>::new());

    edit(&folder, "user_defaults.config.model", "gone");
    live.reload().await;
    assert_eq!(&*live.current().unwrap().system().app_name, "By hand");
    assert!(live.health().problems[0].contains("/user_defaults/config/model"));
    edit(&folder, "user_defaults.config.model", "calm");
    live.reload().await;
    assert_eq!(live.health().problems, Vec::<String>::new());
}

#[tokio::test]
async fn an_edit_by_hand_becomes_one_version_however_many_servers_watch() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::<ManualClock>::default();
    let stop = CancellationToken::new();
    let mut watching = JoinSet::new();
    let mut servers = Vec::new();
    for _ in 0..2 {
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(folder.path()).unwrap());
        if servers.is_empty() {
            put_template(&*store, template(), None).await;
            // While no server watches.
            edit(&folder, "system.app_name", "One");
        }
        let live = Arc::clone(&store);
        let live = LiveTemplate::load(live, Environment::Development, Arc::default());
        let live = Arc::new(live.await);
        watching.spawn(Arc::clone(&live).watch(clock.clone(), stop.clone()));
        servers.push((store, live));
    }
    for (version, name) in [(2, "One"), (3, "Two")] {
        if version == 3 {
            edit(&folder, "system.app_name", name);
        }
        for (_, live) in &servers {
            let in_force = async {
                while live.current().unwrap().version() < version {
                    tokio::task::yield_now().await;
                }
            };
            timeout(Duration::from_secs(2), in_force).await.unwrap();
            assert_eq!(&*live.current().unwrap().system().app_name, name);
        }
    }
    // Another change, which both look at, makes no version.
    for (store, live) in &servers {
        store
            .create_identity(VISITOR, Standing::Active, clock.now())
            .await
            .unwrap();
        live.reload().await;
    }
    stop.cancel();
    watching.join_all().await;
    let versions = servers[0]
        .0
        .template_versions(Environment::Development, None, 10);
    let versions = versions.await.unwrap();
    let authors: Vec<_> = versions
        .iter()
        .map(|it| (it.version, &*it.author))
        .collect();
    assert_eq!(authors, [(3, EDITED_BY), (2, EDITED_BY), (1, "test")]);
    let recorded = servers[0].0.audit(0, 10).await.unwrap().entries;
    let hashes = recorded.iter().map(|entry| {
        assert_eq!(entry.actor, Actor::System);
        entry.details["document"].after.unwrap().to_string()
    });
    let hashes: Vec<_> = hashes.collect();
    assert!(hashes.contains(&versions[0].hash) && hashes.contains(&versions[1].hash));
}

#[tokio::test]
async fn t18_a_key_repointed_by_hand_is_refused_and_the_last_good_template_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(folder.path()).unwrap());
    let mut document = template();
    document["llm"]["providers"]["far"] =
        json!({ "base_url": "https://far.test/v1", "api_key": "${FAR_KEY}" });
    put_template(&*store, document, None).await;
    let secrets =
        Secrets::new(|_| Some("canary".to_owned())).pin("FAR_KEY", ["far.test".parse().unwrap()]);
    let secrets = Arc::new(secrets);
    let live = LiveTemplate::load(store, Environment::Development, secrets).await;
    assert_eq!(live.health().problems, Vec::<String>::new());
    for (place, value) in [
        ("base_url", "https://evil.test/v1"),
        ("base_url", "http://far.test/v1"),
        ("api_key", "${MONGO_URI}"),
        ("base_url", "${MONGO_URI}"),
    ] {
        let before = live.current().unwrap();
        let key = format!("llm.providers.far.{place}");
        edit(&folder, &key, value);
        live.reload().await;
        assert!(Arc::ptr_eq(&live.current().unwrap(), &before), "{value}");
        let problem = &live.health().problems[0];
        let pointer = "/llm/providers/far/";
        assert!(
            problem.contains(pointer) && !problem.contains("canary"),
            "{problem}"
        );
        edit(&folder, "llm.providers.far.base_url", "https://far.test/v1");
        edit(&folder, "llm.providers.far.api_key", "${FAR_KEY}");
        live.reload().await;
        assert_eq!(live.health().problems, Vec::<String>::new());
    }
}
