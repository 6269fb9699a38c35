//! The page, whichever was built in.

use http::Method;
use nexus_test_support::model::ScriptedModel;

use crate::client::Call;
use crate::world::World;

#[tokio::test]
async fn there_is_a_page_and_everything_that_it_asks_for() {
    let world = World::new(ScriptedModel::default()).await;
    let page = world.send(Call::get("/")).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");
    let attributes = ["src=\"", "href=\""].map(|attribute| page.body.split(attribute).skip(1));
    let links = attributes
        .into_iter()
        .flatten()
        .filter_map(|rest| rest.split('"').next());
    for link in links.filter(|link| link.starts_with('/')) {
        assert_eq!(world.send(Call::get(link)).await.status, 200, "{link}");
    }
}

#[tokio::test]
async fn a_page_that_is_known_is_not_sent_again() {
    let world = World::new(ScriptedModel::default()).await;
    let page = world.send(Call::get("/")).await;
    let again = Call::get("/").header("if-none-match", page.header("etag"));
    let again = world.send(again).await;
    assert_eq!((again.status, &*again.body), (304, ""));
    let head = world.send(Call::new(&Method::HEAD, "/")).await;
    assert_eq!((head.status, &*head.body), (200, ""));
}
