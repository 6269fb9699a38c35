//! The template in force: swapped whole, never by something worse.

use std::sync::Arc;

use nexus_core::Environment;
use nexus_llm::scripted::ScriptedModel;
use nexus_run::LiveTemplate;
use nexus_store::{EmbeddedStore, Store};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::world::{World, put_template, template};

#[tokio::test]
async fn a_change_is_noticed_without_being_told() {
    let world = World::new(ScriptedModel::default()).await;
    let live = Arc::clone(&world.orchestrator.template);
    let stop = CancellationToken::new();
    let watching = world
        .orchestrator
        .tasks
        .spawn(Arc::clone(&live).watch(stop.clone()));
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
    let load =
        |environment| LiveTemplate::load(Arc::clone(&store), environment, Arc::new(|_| None));
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

#[tokio::test]
async fn an_edit_by_hand_is_put_in_force_though_the_version_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(folder.path()).unwrap());
    put_template(&*store, template(), None).await;
    let live = LiveTemplate::load(store, Environment::Development, Arc::new(|_| None)).await;
    let shell = rusqlite::Connection::open(folder.path().join("nexus.db")).unwrap();
    let edit = |key: &str, value: &str| {
        let sql = format!("UPDATE configurations SET doc = json_set(doc, '$.{key}', ?1)");
        assert_eq!(shell.execute(&sql, [value]).unwrap(), 1);
    };
    edit("system.app_name", "By hand");
    live.reload().await;
    let current = live.current().unwrap();
    assert_eq!(
        (&*current.system().app_name, current.version()),
        ("By hand", 1)
    );
    assert_eq!(live.health().problems, Vec::<String>::new());

    edit("user_defaults.config.model", "gone");
    live.reload().await;
    assert_eq!(&*live.current().unwrap().system().app_name, "By hand");
    assert!(live.health().problems[0].contains("/user_defaults/config/model"));
    edit("user_defaults.config.model", "calm");
    live.reload().await;
    assert_eq!(live.health().problems, Vec::<String>::new());
}
