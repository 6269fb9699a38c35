//! Who gets in: whoever shows a valid token, and nobody else.

use insta::assert_snapshot;
use nexus_core::{IdentityWrite, Standing, Token, TokenKind};
use nexus_server::{Access, routes};
use nexus_store::IdentityStore as _;
use nexus_test_support::model::ScriptedModel;
use serde_json::json;

use crate::client::Call;
use crate::world::{ALICE, Setup, VISITOR, World, key};

#[tokio::test]
async fn routes_for_admins_refuse_every_other_valid_token() {
    let world = World::new(ScriptedModel::default()).await;
    let personal = [world.token(ALICE).await, world.token(VISITOR).await];
    let admin = world.admin().await.token;
    let routes = routes().into_iter();
    let routes: Vec<_> = routes
        .filter(|route| route.access == Access::Admin)
        .collect();
    assert_eq!(routes.len(), 11);
    let mut answers = Vec::new();
    for route in routes {
        for token in &personal {
            let call = Call::new(&route.method, route.path).token(token);
            answers.push(world.send(call).await.shown());
        }
        let call = Call::new(&route.method, route.path).token(&admin);
        assert_ne!(world.send(call).await.status, 403, "{}", route.path);
    }
    answers.dedup();
    assert_snapshot!(answers.join("\n"), @r#"403 {"error":{"code":"not_an_admin","message":"this is for administrators: whoever runs this server names them with `admins` in its settings, or prints a token with `nexus identity token KEY --admin`"}}"#);
}

#[tokio::test]
async fn the_scheme_may_be_written_in_any_case() {
    let world = World::new(ScriptedModel::default()).await;
    let token = world.token(ALICE).await;
    let call = Call::get("/api/v1/models").header("authorization", &format!("bEARER {token}"));
    assert_eq!(world.send(call).await.status, 200);
}

#[tokio::test]
async fn a_visitor_is_guided_and_leaves_no_trace() {
    let world = World::new(ScriptedModel::default()).await;
    let token = world.token(VISITOR).await;
    let answer = world.chat(&token, json!({ "content": "Who am I?" })).await;
    assert_snapshot!(answer.shown(), @r#"
    200 event: run_started
    data: {"run_id":"run_…","owner_key":"0xffffffffffffffffffffffffffffffffffffffff"}

    event: text_chunk
    data: {"chunk":"Welcome. Your key has no identity here yet, so nothing you write is stored and no model is asked. Register it with the command `identity`, which you sign with your key, or ask the person who runs this server to run `nexus identity new KEY`; after that, this chat is yours.","channel":"guidance"}

    event: run_finished
    data: {"run_id":"run_…","status":"visitor_guidance_sent","message_ids":[]}
    "#);
    assert_eq!(answer.header("x-nexus-model"), "");
    assert!(world.model.requests().is_empty());

    // What a page can know without being refused.
    let session = Call::get("/api/v1/auth/session").token(&token);
    let guidance = world.send(session).await.json()["guidance"].clone();
    assert!(guidance.as_str().unwrap().starts_with("Welcome."));
    for path in ["/api/v1/profile", "/api/v1/messages"] {
        let refused = world.send(Call::get(path).token(&token)).await;
        assert!(
            refused.error().starts_with("403 not_a_member -: Welcome."),
            "{}",
            refused.error()
        );
    }
    assert_eq!(
        world
            .send(Call::get("/api/v1/models").token(&token))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn anybody_may_ask_whether_they_are_signed_in() {
    let world = World::new(ScriptedModel::default()).await;
    let alice = world.member(1).await;
    let visitor = world.token(VISITOR).await;
    let api_key = world.api_key(&alice, json!({ "name": "k" })).await;
    let unknown = Token::generate(TokenKind::Session).unwrap();
    let unknown = unknown.reveal();
    let index = || Call::get("/api/v1");
    for (call, told) in [
        (index(), json!(false)),
        (index().token("nxs_nonsense"), json!(false)),
        (index().token(unknown), json!(false)),
        (index().token(&api_key), json!(false)),
        (index().token(&alice.token), json!(true)),
        (index().token(&visitor), json!(true)),
    ] {
        let answer = world.send(call).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["signed_in"], told);
    }
    let session = Call::get("/api/v1/auth/session").token(&alice.token);
    let session = world.send(session).await.json();
    assert_eq!(session.get("guidance"), None);

    world.store.stop();
    let answer = world.send(index().token(unknown)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["signed_in"], json!(null));
}

#[tokio::test]
async fn who_waits_or_is_locked_out_is_told_so_and_gets_nothing() {
    let world = World::new(ScriptedModel::default()).await;
    let token = world.token(ALICE).await;
    for (standing, code) in [
        (Standing::Pending, "403 identity_pending -: Welcome."),
        (
            Standing::Disabled,
            "403 identity_disabled -: An administrator",
        ),
    ] {
        let alice = world.store.identity(ALICE).await.unwrap().unwrap();
        let write = IdentityWrite::Standing(standing);
        world.store.write_identity(&alice, write).await.unwrap();
        for path in ["/api/v1/profile", "/api/v1/messages"] {
            let refused = world.send(Call::get(path).token(&token)).await.error();
            assert!(refused.starts_with(code), "{refused}");
        }
    }
}

#[tokio::test]
async fn an_administrator_is_named_by_the_settings_or_granted_at_the_machine() {
    let world = World::begin(Setup {
        admins: vec![key(1).public_key()],
        ..Setup::default()
    })
    .await;
    let status = async |token: &str| {
        let call = Call::get("/api/v1/admin/template").token(token);
        world.send(call).await.status
    };
    let (named, granted) = (world.visitor(1).await, world.member(2).await);
    let write = async |write| {
        let identity = world.store.identity(granted.address()).await.unwrap();
        let identity = identity.unwrap();
        world.store.write_identity(&identity, write).await.unwrap();
    };
    assert_eq!(status(&named.token).await, 200);
    assert_eq!(status(&granted.token).await, 403);
    for (is_admin, expected) in [(true, 200), (false, 403)] {
        write(IdentityWrite::Admin(is_admin)).await;
        assert_eq!(status(&granted.token).await, expected);
    }
    // Whoever is locked out is no administrator, whatever was granted.
    write(IdentityWrite::Admin(true)).await;
    write(IdentityWrite::Standing(Standing::Disabled)).await;
    assert_eq!(status(&granted.token).await, 403);
}
