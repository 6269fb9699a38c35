//! A template on its way into the store.

use nexus_core::audit::Actor;
use nexus_core::egress::Secrets;
use nexus_core::genesis::GenesisDoc;
use nexus_core::{Clock, Environment, Standing};
use nexus_run::{Administration, Destination, Proposal, ProposalError};
use nexus_store::{ConfigStore, IdentityStore};
use nexus_test_support::model::ScriptedModel;
use serde_json::{Value, json};

use crate::world::{World, put_template, template};

fn administration(world: &World) -> Administration<'_> {
    Administration {
        store: &*world.store,
        at: world.clock.now(),
        actor: Actor::System,
        signature: None,
    }
}

async fn propose(
    world: &World,
    document: Value,
    at_most: Option<u64>,
) -> Result<Proposal, ProposalError> {
    let destination = Destination {
        store: &*world.store,
        environment: Environment::Development,
        secrets: &Secrets::default(),
        at_most,
    };
    Proposal::new(destination, GenesisDoc::from_value(document).unwrap()).await
}

fn cooler() -> Value {
    let mut cooler = template();
    cooler["user_defaults"]["config"]["temperature"] = json!(0.5);
    cooler
}

#[tokio::test]
async fn everybody_is_looked_at_and_nobody_twice() {
    let world = World::new(ScriptedModel::default()).await;
    for number in 0..1_100_u32 {
        let mut bytes = [7; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let key = nexus_core::PublicKey::from_bytes(bytes);
        let created = world
            .store
            .create_identity(key, Standing::Active, world.clock.now());
        created.await.unwrap();
    }
    // Alice and Bob are there too.
    for (at_most, read, has_more) in [
        (None, 1_102, false),
        (Some(2_000), 1_102, false),
        (Some(1_102), 1_102, false),
        (Some(1_101), 1_101, true),
        (Some(500), 500, true),
        (Some(501), 501, true),
    ] {
        let proposal = propose(&world, cooler(), at_most).await.unwrap();
        let people = proposal.plan.people.unwrap();
        assert_eq!(
            (people.read, people.has_more),
            (read, has_more),
            "{at_most:?}"
        );
        assert_eq!(people.changed, people.read);
    }
}

#[tokio::test]
async fn what_changed_meanwhile_is_not_overwritten() {
    let world = World::new(ScriptedModel::default()).await;
    let proposal = propose(&world, cooler(), None).await.unwrap();
    assert!(proposal.changes_something());
    put_template(&*world.store, template(), Some(1)).await;
    let refused = proposal.store(&administration(&world), "me").await;
    assert!(
        matches!(refused, Err(ProposalError::Conflict)),
        "{refused:?}"
    );
    let stored = world.store.template(Environment::Development).await;
    assert_eq!(stored.unwrap().unwrap().version, 2);

    let proposal = propose(&world, cooler(), None).await.unwrap();
    let stored = proposal.store(&administration(&world), "me").await;
    let stored = stored.unwrap();
    assert_eq!((stored.version, &*stored.author), (3, "me"));
    assert!(
        !propose(&world, cooler(), None)
            .await
            .unwrap()
            .changes_something()
    );
}

#[tokio::test]
async fn a_template_with_mistakes_cannot_be_proposed() {
    let world = World::new(ScriptedModel::default()).await;
    let mut broken = template();
    broken["user_defaults"]["config"]["model"] = json!("gone");
    let refused = propose(&world, broken, None).await;
    assert!(
        matches!(refused, Err(ProposalError::Problems(_))),
        "{refused:?}"
    );
}
