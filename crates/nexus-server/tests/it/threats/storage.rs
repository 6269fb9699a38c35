//! T08: whoever steals the database has no token.

use std::fs;

use nexus_core::Token;
use nexus_core::token::TokenKind;
use nexus_store::Store as _;
use serde_json::json;

use crate::client::Call;
use crate::world::{Setup, World};

#[tokio::test]
async fn t08_no_token_is_in_any_byte_of_the_data_folder() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let api_key = world.api_key(&alice, json!({ "name": "t08-marker" })).await;
    let development = world.token(alice.address()).await;
    for token in [&alice.token, &api_key, &development] {
        let answer = world.send(Call::get("/api/v1/models").token(token)).await;
        assert_eq!(answer.status, 200);
    }
    let signed = world
        .execute(
            &alice,
            "config.set",
            json!({ "field": "temperature", "value": 1 }),
        )
        .await;
    assert_eq!(signed.status, 200);
    let folder = world.folder.path().to_owned();
    let look = || -> Vec<Vec<u8>> {
        let files = fs::read_dir(&folder).unwrap();
        files
            .map(|file| fs::read(file.unwrap().path()).unwrap())
            .collect()
    };
    let open = look();
    world.store.close().await;
    let files: Vec<_> = open.into_iter().chain(look()).collect();
    let is_somewhere = |needle: &[u8]| {
        let mut files = files.iter();
        files.any(|bytes| bytes.windows(needle.len()).any(|it| it == needle))
    };
    // What is looked for can be found.
    assert!(is_somewhere(b"t08-marker"));
    let digest = Token::parse(&alice.token).unwrap().digest();
    assert!(is_somewhere(digest.as_bytes()));
    let secret = alice.key.to_hex();
    for token in [&alice.token, &api_key, &development, &*secret] {
        let secret = &token[token.len() - 49..];
        for part in [&token[..], secret, &secret[..24], &secret[24..]] {
            assert!(!is_somewhere(part.as_bytes()));
        }
    }
}

#[tokio::test]
async fn t08_what_is_stored_of_a_token_does_not_open_the_door() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let api_key = world.api_key(&alice, json!({ "name": "k" })).await;
    for token in [&alice.token, &api_key] {
        let token = Token::parse(token).unwrap();
        let digest = token.digest();
        let hex: Vec<_> = digest
            .as_bytes()
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect();
        let hex = hex.concat();
        for kind in [
            TokenKind::Development,
            TokenKind::Session,
            TokenKind::ApiKey,
        ] {
            let prefix = kind.prefix();
            for presented in [
                hex.clone(),
                format!("{prefix}{hex}"),
                format!("{prefix}{}", &hex[..49]),
            ] {
                let call = Call::get("/api/v1/models").token(&presented);
                assert_eq!(world.send(call).await.code(), "401 unauthenticated");
            }
        }
    }
}
