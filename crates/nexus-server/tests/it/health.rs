//! Whether it lives, whether it is ready.

use std::time::Instant;

use futures_util::future::join_all;
use insta::assert_snapshot;
use nexus_core::Environment::{Development, Production};
use nexus_test_support::model::ScriptedModel;
use serde_json::json;

use crate::client::Call;
use crate::world::{World, template};

async fn readyz(world: &World) -> String {
    world.send(Call::get("/readyz")).await.shown()
}

#[tokio::test]
async fn it_is_ready_with_a_store_and_a_template() {
    let world = World::new(ScriptedModel::default()).await;
    assert_snapshot!(readyz(&world).await, @r#"200 {"status":"ready","store":"ok","template":{"environment":"development","version":1,"emergency":false},"reasons":[]}"#);
    assert_snapshot!(world.send(Call::get("/livez")).await.shown(), @r#"200 {"status":"alive"}"#);
}

#[tokio::test]
async fn in_development_the_emergency_template_is_a_degraded_state() {
    let world = World::with_template(ScriptedModel::default(), Development, None).await;
    assert_snapshot!(readyz(&world).await, @r#"200 {"status":"degraded","store":"ok","template":{"environment":"development","version":0,"emergency":true},"reasons":["there is no template for development"]}"#);
    let mut broken = template();
    broken["user_defaults"]["config"]["model"] = json!("gone");
    let world = World::with_template(ScriptedModel::default(), Development, Some(broken)).await;
    assert_snapshot!(readyz(&world).await, @r#"200 {"status":"degraded","store":"ok","template":{"environment":"development","version":0,"emergency":true},"reasons":["the template has 1 mistake\n  /user_defaults/config/model: found \"gone\", expected a key, an alias or an id of llm.catalog"]}"#);
}

#[tokio::test]
async fn in_production_nothing_stands_in_for_a_template() {
    let world = World::with_template(ScriptedModel::default(), Production, None).await;
    assert_snapshot!(readyz(&world).await, @r#"503 {"status":"unavailable","store":"ok","template":{"environment":"production","version":null,"emergency":false},"reasons":["there is no template for production"]}"#);
    assert_eq!(world.send(Call::get("/livez")).await.status, 200);
}

#[tokio::test]
async fn without_its_store_it_lives_and_is_not_ready() {
    let world = World::new(ScriptedModel::default()).await;
    world.store.stop();
    assert_snapshot!(readyz(&world).await, @r#"503 {"status":"unavailable","store":"unavailable","template":{"environment":"development","version":1,"emergency":false},"reasons":["the store does not answer: the log says more"]}"#);
    assert_eq!(world.send(Call::get("/livez")).await.status, 200);
}

/// S13: however often strangers ask, the store is asked once a second.
#[tokio::test]
async fn the_store_is_asked_once_a_second_however_often_strangers_ask() {
    let world = World::new(ScriptedModel::default()).await;
    let begun = Instant::now();
    for _ in 0..20 {
        let asking = (0..10).map(|_| readyz(&world));
        for ready in join_all(asking).await {
            assert!(ready.starts_with("200 "), "{ready}");
        }
    }
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!((1..=seconds + 1).contains(&world.store.pings()));
}
