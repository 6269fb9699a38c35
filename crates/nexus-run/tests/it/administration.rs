//! What administrators change, and what goes on record about it.

use chrono::TimeDelta;
use nexus_core::audit::{Actor, Change};
use nexus_core::genesis::GenesisDoc;
use nexus_core::token::TokenKind;
use nexus_core::{
    AuditEntry, Clock as _, Environment, IdentityWrite, Label, Scope, Session, Standing, Token,
};
use nexus_run::{Administration, CommandFailure};
use nexus_store::{
    AuditStore as _, ConfigStore as _, IdentityStore as _, NewTemplate, SessionStore as _,
    StoreError,
};
use nexus_test_support::model::ScriptedModel;
use serde_json::json;

use crate::world::{ALICE, VISITOR, World, template};

fn administration(world: &World) -> Administration<'_> {
    Administration {
        store: &*world.store,
        at: world.clock.now(),
        actor: Actor::Local(Label::cut("zoë")),
        signature: None,
    }
}

async fn audit(world: &World) -> Vec<AuditEntry> {
    world.store.audit(0, 100).await.unwrap().entries
}

async fn actions(world: &World) -> Vec<(String, String)> {
    let entries = audit(world).await.into_iter();
    entries
        .map(|entry| (entry.action.to_string(), entry.target.to_string()))
        .collect()
}

#[tokio::test]
async fn a_standing_is_changed_once_and_goes_on_record_once() {
    let world = World::new(ScriptedModel::default()).await;
    let change = async |write| administration(&world).change(ALICE, write).await.unwrap();
    for _ in 0..2 {
        let changed = change(IdentityWrite::Standing(Standing::Disabled)).await;
        assert_eq!(changed.standing, Standing::Disabled);
    }
    let by = administration(&world);
    let refused = by.change(ALICE, IdentityWrite::Admin(true)).await;
    assert!(matches!(refused, Err(CommandFailure::Disabled)));
    change(IdentityWrite::Standing(Standing::Active)).await;
    assert!(change(IdentityWrite::Admin(true)).await.is_admin);
    let about = |action: &str| (action.to_owned(), ALICE.to_string());
    let recorded = ["identity.disable", "identity.enable", "admin.grant"].map(about);
    assert_eq!(actions(&world).await, recorded);
    let entry = audit(&world).await.remove(0);
    assert_eq!(entry.actor, Actor::Local(Label::cut("zoë")));
    let change = Change::new(Some(&json!("active")), Some(&json!("disabled")));
    assert_eq!(entry.details["standing"], change);
}

#[tokio::test]
async fn whoever_is_disabled_is_signed_out_also_if_that_failed_before() {
    let world = World::new(ScriptedModel::default()).await;
    let now = world.clock.now();
    let disable = IdentityWrite::Standing(Standing::Disabled);
    for _ in 0..2 {
        let digest = Token::generate(TokenKind::Development).unwrap().digest();
        let end = now + TimeDelta::hours(1);
        let session = Session::new(digest, ALICE, Scope::Personal, now, end);
        world.store.create_session(session).await.unwrap();
        administration(&world).change(ALICE, disable).await.unwrap();
        assert_eq!(world.store.sessions(ALICE).await.unwrap(), []);
    }
}

#[tokio::test]
async fn nothing_is_changed_about_somebody_who_is_not_registered() {
    let world = World::new(ScriptedModel::default()).await;
    let administration = administration(&world);
    let changed = administration.change(VISITOR, IdentityWrite::Admin(true));
    assert!(matches!(changed.await, Err(CommandFailure::NotAMember)));
    let erased = administration.erase(VISITOR).await;
    assert!(matches!(erased, Err(CommandFailure::NotAMember)));
    assert_eq!(actions(&world).await, []);

    assert!(administration.register(VISITOR).await.unwrap().is_new);
    assert!(!administration.register(VISITOR).await.unwrap().is_new);
    administration.erase(VISITOR).await.unwrap();
    assert_eq!(world.store.identity(VISITOR).await.unwrap(), None);
    let about = |action: &str| (action.to_owned(), VISITOR.to_string());
    let recorded = [about("identity"), about("identity.delete")];
    assert_eq!(actions(&world).await, recorded);
}

#[tokio::test]
async fn the_record_of_a_template_has_the_hashes_of_both_documents() {
    let world = World::new(ScriptedModel::default()).await;
    let environment = Environment::Development;
    let before = world.store.template(environment).await.unwrap().unwrap();
    let mut document = template();
    document["user_defaults"]["config"]["temperature"] = json!(0.1);
    let new = NewTemplate {
        environment,
        doc: GenesisDoc::from_value(document).unwrap(),
        author: "zoë".to_owned(),
        created_at: world.clock.now(),
    };
    let administration = administration(&world);
    let put = administration.put_template(new.clone(), Some(1), before.hash.parse().ok());
    let now = put.await.unwrap();
    let entry = audit(&world).await.remove(0);
    assert_eq!(entry.action.as_str(), "template");
    assert_eq!(entry.target.as_str(), "development");
    let change = entry.details["document"];
    assert_eq!(change.before.unwrap().to_string(), before.hash);
    assert_eq!(change.after.unwrap().to_string(), now.hash);
    let late = administration.put_template(new, Some(1), None).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
}
