//! T03: a server answers to its own names only.

use insta::assert_snapshot;

use crate::client::Call;
use crate::world::{HOST, Setup, World};

#[tokio::test]
async fn t03_a_request_for_another_host_is_sent_away_before_anything_looks_at_it() {
    let world = World::begin(Setup::default()).await;
    let mut client = world.client().await;
    for host in [
        "evil.test",
        "",
        // Its usual port would be its own.
        "nexus.test:443",
        "nexus.test:8080",
        "nexus.test.evil.test",
        "127.0.0.1",
    ] {
        for place in super::places() {
            let call = place.call().host(host).header("x-forwarded-host", HOST);
            let answer = client
                .send(call.header("forwarded", &format!("host={HOST}")))
                .await;
            let is_health = matches!(place.route, "/livez" | "/readyz");
            let expected = if is_health { 200 } else { 421 };
            assert_eq!(answer.status, expected, "{host} {}", place.route);
        }
    }
    let answer = client.send(Call::get("/api/v1").host("evil.test")).await;
    assert_snapshot!(answer.shown(), @r#"421 {"error":{"code":"misdirected","message":"this server goes by another name: use http://nexus.test or https://nexus.example.org. Whoever runs it adds a name with `public_origin` in its settings"}}"#);
    let call = Call::post("/api/v1/auth/challenge", "").header("x-forwarded-host", "evil.test");
    assert_eq!(client.send(call).await.json()["domain"], HOST);

    // The whole address in the first line has to agree with the header.
    for (address, host, status) in [
        ("http://evil.test/api/v1", HOST, 421),
        ("http://nexus.test/api/v1", "evil.test", 421),
        ("http://nexus.example.org/api/v1", HOST, 421),
        ("http://nexus.test@evil.test/api/v1", HOST, 421),
        ("http://nexus.test/api/v1", HOST, 200),
    ] {
        let answer = client.send(Call::get(address).host(host)).await;
        assert_eq!(answer.status, status, "{address} {host}");
    }
    let twice = Call::get("/api/v1").header("host", "evil.test");
    assert_eq!(client.send(twice).await.status, 421);
}
