//! The router and the OpenAPI document tell of the same routes.

use std::collections::BTreeSet;

use nexus_server::routes;
use nexus_test_support::model::ScriptedModel;
use serde_json::Value;

use crate::client::Call;
use crate::world::World;

/// The methods and paths of the document.
fn documented(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

#[tokio::test]
async fn each_route_of_the_native_api_is_documented_and_served() {
    let world = World::new(ScriptedModel::default()).await;
    let answer = world.send(Call::get("/api/openapi.json")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "public, max-age=3600");
    let document: Value = serde_json::from_str(nexus_api::openapi::DOCUMENT).unwrap();
    assert_eq!(answer.body, nexus_api::openapi::DOCUMENT);
    // The page, and the routes of OpenAI's protocol.
    let is_other = |path: &str| path == "/" || path.starts_with("/v1/");
    let served: BTreeSet<_> = routes()
        .iter()
        .filter(|route| !is_other(route.path))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(documented(&document), served);
}
