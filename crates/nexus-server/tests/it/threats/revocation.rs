//! T09: what is taken back is gone at once, also for who is listening.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use http_body_util::BodyExt as _;
use nexus_core::{IdentityWrite, Standing, Token};
use nexus_store::IdentityStore as _;
use nexus_test_support::model::{Gate, ScriptedModel, Turn};
use serde_json::json;

use crate::client::Call;
use crate::world::{Person, Setup, World};

/// How a credential comes to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    SignedOut,
    SessionRevoked,
    EverywhereSignedOut,
    Expired,
    Unused,
    Erased,
    Disabled,
    KeyRevoked,
    KeyExpired,
}

const ENDS: [End; 9] = [
    End::SignedOut,
    End::SessionRevoked,
    End::EverywhereSignedOut,
    End::Expired,
    End::Unused,
    End::Erased,
    End::Disabled,
    End::KeyRevoked,
    End::KeyExpired,
];

impl End {
    /// What the next request with the credential is told.
    const fn code(self) -> &'static str {
        match self {
            Self::Disabled => "403 identity_disabled",
            _ => "401 unauthenticated",
        }
    }

    /// A credential of this person that will come to this end.
    async fn credential(self, world: &World, person: &Person) -> String {
        match self {
            Self::KeyRevoked | Self::KeyExpired => {
                let arguments =
                    json!({ "name": "k", "scopes": ["chat", "profile.read"], "days": 1 });
                world.api_key(person, arguments).await
            }
            _ => world.sign_in(&person.key).await,
        }
    }

    /// Makes it come about.
    async fn happen(self, world: &World, person: &Person, credential: &str) {
        let delete = |path: &str| Call::new(&http::Method::DELETE, path);
        let answer = match self {
            Self::SignedOut => {
                let call = delete("/api/v1/auth/session").token(credential);
                world.send(call).await
            }
            Self::SessionRevoked => {
                let call = Call::get("/api/v1/auth/session").token(credential);
                let id = world.send(call).await.json()["session"]["id"].take();
                let path = format!("/api/v1/sessions/{}", id.as_str().unwrap());
                world.send(delete(&path).token(&person.token)).await
            }
            Self::EverywhereSignedOut => {
                world.send_signed(person, delete("/api/v1/sessions")).await
            }
            Self::Erased => world.send_signed(person, delete("/api/v1/identity")).await,
            Self::KeyRevoked => {
                let id = Token::parse(credential).unwrap().api_key_id().unwrap();
                let path = format!("/api/v1/keys/{id}");
                world.send_signed(person, delete(&path)).await
            }
            Self::Disabled => {
                let identity = world
                    .store
                    .identity(person.address())
                    .await
                    .unwrap()
                    .unwrap();
                let write = IdentityWrite::Standing(Standing::Disabled);
                return drop(world.store.write_identity(&identity, write).await.unwrap());
            }
            Self::Expired => return world.clock.advance(TimeDelta::days(30)),
            Self::Unused => return world.clock.advance(TimeDelta::hours(12)),
            Self::KeyExpired => return world.clock.advance(TimeDelta::days(1)),
        };
        assert_eq!(answer.status, 200, "{self:?}: {}", answer.body);
    }
}

#[tokio::test]
async fn t09_the_next_request_is_refused() {
    for end in ENDS {
        let world = World::begin(Setup::default()).await;
        let person = world.member(1).await;
        let credential = end.credential(&world, &person).await;
        let profile = || world.send(Call::get("/api/v1/profile").token(&credential));
        assert_eq!(profile().await.status, 200, "{end:?}");
        end.happen(&world, &person, &credential).await;
        assert_eq!(profile().await.code(), end.code(), "{end:?}");
    }
}

#[tokio::test]
async fn t09_an_open_stream_ends_and_says_nothing_more() {
    for end in ENDS {
        let gate = Gate::new();
        let turn = Turn::new()
            .text("You may know this. ")
            .wait(&gate)
            .text("And not this.");
        let model = ScriptedModel::new([turn]);
        let world = World::begin(Setup {
            model,
            ..Setup::default()
        })
        .await;
        let person = world.member(1).await;
        let credential = end.credential(&world, &person).await;
        let mut client = world.client().await;
        let call = Call::post("/api/v1/chat", r#"{"content":"Tell me."}"#).token(&credential);
        let answer = client.open(call).await;
        assert_eq!(answer.status(), 200);
        gate.reached().await;
        end.happen(&world, &person, &credential).await;
        let began = Instant::now();
        let rest = tokio::time::timeout(Duration::from_secs(10), answer.into_body().collect());
        let text = rest.await.unwrap().unwrap().to_bytes();
        let text = str::from_utf8(&text).unwrap();
        // Half a second on a machine that has nothing else to do.
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{:?}",
            began.elapsed()
        );
        gate.open();
        assert!(text.contains("You may know this. "), "{end:?}: {text}");
        assert!(!text.contains("And not this."), "{end:?}: {text}");
        // Of somebody who was erased nothing can be stored any more.
        let status = if end == End::Erased {
            "failed"
        } else {
            "interrupted"
        };
        assert!(
            text.contains(&format!(r#""status":"{status}""#)),
            "{end:?}: {text}"
        );
        assert_eq!(text.matches("event: run_finished").count(), 1);
        world.settle().await;
        if end != End::Erased {
            let last = world.stored(person.address()).await.pop();
            assert_eq!(last, Some(("ai", "You may know this. ".to_owned())));
        }
        assert_eq!(world.model.abandoned(), 1, "{end:?}");
    }
}

#[tokio::test]
async fn t09_nobody_else_is_signed_out() {
    let world = World::begin(Setup::default()).await;
    let (alice, bob) = (world.member(1).await, world.member(2).await);
    let other = world.sign_in(&alice.key).await;
    let out = Call::new(&http::Method::DELETE, "/api/v1/auth/session").token(&alice.token);
    assert_eq!(world.send(out).await.status, 200);
    for token in [&other, &bob.token] {
        let answer = world.send(Call::get("/api/v1/profile").token(token)).await;
        assert_eq!(answer.status, 200);
    }
}
