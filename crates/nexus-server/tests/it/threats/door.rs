//! T01, T30: an address is a name and never a credential, and every bad credential is as bad as any
//! other.

use std::fmt::Write as _;

use insta::assert_snapshot;
use nexus_core::token::TokenKind;
use nexus_core::{Clock as _, Scope, Session, Token};
use nexus_server::Access;
use nexus_store::{ApiKeyStore as _, SessionStore as _};
use serde_json::json;

use super::{NO_KEY, NO_SESSION, guarded, places};
use crate::client::Call;
use crate::world::{Person, Setup, World};

#[test]
fn t01_only_these_routes_ask_for_no_credential() {
    let open = places()
        .into_iter()
        .filter(|place| place.access == Access::Anyone);
    let open: Vec<_> = open
        .map(|place| format!("{} {}", place.method, place.route))
        .collect();
    assert_eq!(
        open,
        [
            "GET /",
            "GET /livez",
            "GET /readyz",
            "GET /api/openapi.json",
            "GET /api/v1",
            "POST /api/v1/auth/challenge",
            "POST /api/v1/auth/verify",
            "GET /api/v1/commands",
        ]
    );
}

fn digest(token: &str) -> String {
    let digest = Token::parse(token).unwrap().digest();
    let bytes = digest.as_bytes().iter();
    bytes.fold(String::new(), |mut hex, byte| {
        _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Every value of `Authorization` that must not work. Each was valid, or looks as if it were.
async fn bad_credentials(world: &World, person: &Person, api_key: &str) -> Vec<String> {
    let valid = &person.token;
    let address = person.address();
    let now = world.clock.now();
    let past = Token::generate(TokenKind::Session).unwrap();
    let expired = Session::new(past.digest(), address, Scope::Admin, now, now);
    world.store.create_session(expired).await.unwrap();
    let revoked = world.sign_in(&person.key).await;
    let session = Session::new(
        Token::parse(&revoked).unwrap().digest(),
        address,
        Scope::Personal,
        now,
        now,
    );
    let was_there = world.store.revoke_session(address, session.id());
    assert!(was_there.await.unwrap());
    let dead_key = world.api_key(person, json!({ "name": "dead" })).await;
    let id = Token::parse(&dead_key).unwrap().api_key_id().unwrap();
    let was_there = world.store.revoke_api_key(address, id, now);
    assert!(was_there.await.unwrap());

    let digests = [digest(valid), digest(api_key)];
    let unknown = [
        TokenKind::Development,
        TokenKind::Session,
        TokenKind::ApiKey,
    ]
    .map(|kind| Token::generate(kind).unwrap());
    let mut bad = vec![
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {address}"),
        format!("Bearer {}", address.to_checksummed()),
        format!("Basic {valid}"),
        format!("Token {valid}"),
        valid.clone(),
        format!("Bearer  {valid}"),
        format!("Bearer {valid}\t{valid}"),
        format!("Bearer {valid}, Bearer {valid}"),
        format!("Bearer {}", past.reveal()),
        format!("Bearer {revoked}"),
        format!("Bearer {dead_key}"),
        // The public part of a key that lives, with the secret of another one.
        format!("Bearer {}{}", &api_key[..17], &dead_key[17..]),
    ];
    bad.extend(unknown.map(|token| format!("Bearer {}", token.reveal())));
    for prefix in ["nxs_", "nxk_", "nxd_", "nxk_0123456789Ab_", "sk-"] {
        bad.push(format!("Bearer {prefix}{address}"));
        bad.push(format!("Bearer {prefix}{address}0000000"));
        for digest in &digests {
            bad.push(format!("Bearer {prefix}{digest}"));
            bad.push(format!("Bearer {prefix}{}", &digest[..49]));
        }
    }
    bad.extend(digests.map(|digest| format!("Bearer {digest}")));
    bad
}

#[tokio::test]
async fn t01_no_route_takes_anything_but_a_valid_credential() {
    let world = World::begin(Setup::default()).await;
    let person = world.member(1).await;
    let api_key = world
        .api_key(
            &person,
            json!({ "name": "k", "scopes": ["chat", "models.read", "history.read", "profile.read"] }),
        )
        .await;
    let bad = bad_credentials(&world, &person, &api_key).await;
    let valid = &person.token;
    let mut client = world.client().await;
    let mut answers = Vec::new();
    for place in guarded() {
        let path = &place.path;
        let in_the_address = format!("{path}?token={valid}&access_token={valid}&api_key={api_key}");
        let mut calls = vec![
            place.call(),
            place.call().token(valid).token(valid),
            place.call().token(valid).token(&api_key),
            place.call().header("x-api-key", &api_key),
            place.call().header("x-api-key", valid),
            place.call().header("api-key", &api_key),
            place
                .call()
                .header("proxy-authorization", &format!("Bearer {valid}")),
            place.call().header("cookie", &format!("nexus={api_key}")),
            place
                .call()
                .header("cookie", &format!("__Host-nexus={valid}")),
            place
                .call()
                .header("cookie", &format!("nexus={}", person.address())),
            Call::new(&place.method, &in_the_address),
            // A signature alone is no session.
            place.call().signed(&person.key, world.clock.now()),
        ];
        calls.extend(
            bad.iter()
                .map(|it| place.call().header("authorization", it)),
        );
        for call in calls {
            let answer = client.send(call).await;
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{path}");
            answers.push(answer.shown());
        }
        // `HEAD` is another word for `GET`, and has the same door.
        if !place.is_unsafe() {
            let call = Call::new(&http::Method::HEAD, path);
            assert_eq!(client.send(call).await.status, 401, "{path}");
        }
    }
    assert!(answers.len() > 20 * 50, "{}", answers.len());
    answers.sort();
    answers.dedup();
    assert_snapshot!(answers.join("\n"), @r#"
    401 {"error":{"code":"unauthenticated","message":"a valid session or API key is needed: sign in, or send `Authorization: Bearer …`. An address is a name and never a credential"}}
    401 {"error":{"message":"a valid session or API key is needed: sign in, or send `Authorization: Bearer …`. An address is a name and never a credential","type":"authentication_error","param":null,"code":"invalid_api_key"}}
    "#);
}

#[tokio::test]
async fn t30_what_is_not_there_is_not_told_from_what_is_somebody_elses() {
    let world = World::begin(Setup::default()).await;
    let (alice, bob) = (world.member(1).await, world.member(2).await);
    let id = |token: &str| Token::parse(token).unwrap().api_key_id().unwrap();
    let foreign = id(&world.api_key(&bob, json!({ "name": "bob" })).await);
    let revoked = id(&world.api_key(&alice, json!({ "name": "old" })).await);
    let now = world.clock.now();
    let was_there = world.store.revoke_api_key(alice.address(), revoked, now);
    assert!(was_there.await.unwrap());
    let mut answers = Vec::new();
    for id in [NO_KEY.to_owned(), foreign.to_string(), revoked.to_string()] {
        let call = Call::new(&http::Method::DELETE, &format!("/api/v1/keys/{id}"));
        answers.push(world.send_signed(&alice, call).await.shown());
        let answer = world.execute(&alice, "key.revoke", json!({ "id": id }));
        answers.push(answer.await.shown());
    }
    answers.dedup();
    assert_snapshot!(answers.join("\n"), @r#"404 {"error":{"code":"not_found","message":"there is no API key like this: key.list shows what there is"}}"#);

    let sessions = world.store.sessions(bob.address()).await.unwrap();
    let mut answers = Vec::new();
    for id in [NO_SESSION.to_owned(), sessions[0].id().to_string()] {
        let path = format!("/api/v1/sessions/{id}");
        let call = Call::new(&http::Method::DELETE, &path).token(&alice.token);
        answers.push(world.send(call).await.shown());
    }
    answers.dedup();
    assert_snapshot!(answers.join("\n"), @r#"404 {"error":{"code":"not_found","message":"there is no session like this: session.list shows what there is"}}"#);
}
