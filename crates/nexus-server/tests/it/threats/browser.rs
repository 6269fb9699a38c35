//! T29: the session of a browser, which pages of others cannot use.

use insta::assert_snapshot;
use serde_json::json;

use super::{Place, places};
use crate::client::{Answer, Call};
use crate::world::{HOST, Person, SECURE_HOST, Setup, World};

/// Signs in as a page does: the answer has a cookie, and no token.
async fn sign_in(world: &World, person: &Person, host: &str) -> Answer {
    let challenge = Call::post("/api/v1/auth/challenge", "").host(host);
    let challenge = world.send(challenge).await.json();
    let text = challenge["message_template"].as_str().unwrap();
    let message = text.replace("{address}", &person.address().to_checksummed());
    let signature = person.key.sign_message(message.as_bytes()).to_string();
    let body = json!({ "message": message, "signature": signature, "cookie": true });
    let call = Call::post("/api/v1/auth/verify", body.to_string()).host(host);
    let answer = world.send(call).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.json().get("token").is_none(), "{}", answer.body);
    answer
}

/// Name and value, as a browser sends them back.
fn cookie(answer: &Answer) -> String {
    let (pair, _) = answer.header("set-cookie").split_once(';').unwrap();
    pair.to_owned()
}

#[tokio::test]
async fn t29_the_cookie_is_for_this_host_and_no_script() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let mut shown = Vec::new();
    for host in [HOST, SECURE_HOST] {
        let answer = sign_in(&world, &alice, host).await;
        let set = answer.header("set-cookie");
        let (name, rest) = set.split_once("=nxb_").unwrap();
        shown.push(format!("{name}=nxb_…{}", &rest[49..]));
        let session = Call::get("/api/v1/auth/session").host(host);
        let session = session.header("cookie", &format!("theme=dark; {}", cookie(&answer)));
        assert_eq!(
            world.send(session.clone()).await.json()["standing"],
            "member"
        );
        // A token in the header wins, also one that is not valid.
        let both = session.clone().token("nxb_wrong");
        assert_eq!(world.send(both).await.code(), "401 unauthenticated");
        // At the other name it is another cookie.
        let other = if host == HOST { SECURE_HOST } else { HOST };
        let there = session.clone().host(other);
        assert_eq!(world.send(there).await.code(), "401 unauthenticated");

        let out = Call::new(&http::Method::DELETE, "/api/v1/auth/session").host(host);
        let out = world.send(out.header("cookie", &cookie(&answer))).await;
        shown.push(out.header("set-cookie").to_owned());
        assert_eq!(world.send(session).await.code(), "401 unauthenticated");
    }
    assert_snapshot!(shown.join("\n"), @"
    nexus=nxb_…; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict
    nexus=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict
    __Host-nexus=nxb_…; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure
    __Host-nexus=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure
    ");
}

#[tokio::test]
async fn t29_a_page_of_another_site_changes_nothing() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let cookie = cookie(&sign_in(&world, &alice, HOST).await);
    let foreign: [&[(&str, &str)]; 8] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://nexus.test"),
        ],
        &[("origin", "http://evil.test")],
        &[("origin", "null")],
        &[("origin", "http://nexus.test:8000")],
        &[("origin", "http://nexus.test.evil.test")],
        &[("origin", "http://evil.nexus.test")],
    ];
    let own: [&[(&str, &str)]; 3] = [
        &[
            ("sec-fetch-site", "same-origin"),
            ("origin", "http://nexus.test"),
        ],
        &[("origin", "http://nexus.test")],
        &[],
    ];
    let mut client = world.client().await;
    let with = |call: Call, headers: &[(&str, &str)]| {
        headers
            .iter()
            .fold(call, |call, (name, value)| call.header(name, value))
    };
    let mut answers = Vec::new();
    let mut count = 0;
    // Signing out comes last: after it the cookie is worth nothing.
    let places = places().into_iter().filter(Place::is_unsafe);
    let (out, places): (Vec<_>, Vec<_>) =
        places.partition(|place| place.route == "/api/v1/auth/session");
    for place in places.iter().chain(&out) {
        count += 1;
        for headers in foreign {
            for call in [
                place.call().header("cookie", &cookie),
                place
                    .call()
                    .header("cookie", &cookie)
                    .header("content-type", "text/plain"),
                place.call().token(&alice.token),
                place.call(),
            ] {
                answers.push(client.send(with(call, headers)).await.shown());
            }
        }
        for headers in own {
            let call = place.call_with("{}").header("cookie", &cookie);
            let answer = client.send(with(call, headers)).await;
            assert!(
                !answer.body.contains("cross_site"),
                "{} {headers:?}",
                place.path
            );
        }
    }
    assert!(count >= 14, "{count}");
    answers.sort();
    answers.dedup();
    assert_snapshot!(answers.join("\n"), @r#"
    403 {"error":{"code":"cross_site","message":"this request came from a page of another site, which may not change anything here"}}
    403 {"error":{"message":"this request came from a page of another site, which may not change anything here","type":"permission_error","param":null,"code":"cross_site"}}
    "#);
}
