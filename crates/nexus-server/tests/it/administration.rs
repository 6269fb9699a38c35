//! What administrators can do, and what they cannot see.

use http::Method;
use nexus_core::{Clock as _, audit};
use nexus_server::{Access, routes};
use nexus_store::{AuditStore as _, IdentityStore as _};
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::json;

use crate::client::Call;
use crate::world::{Person, Setup, World, key, template};

const CANARY: &str = "canary-9f2c";

/// A world with an administrator who signs, and a member who has written something.
async fn world() -> (World, Person, Person) {
    let turns = (0..4).map(|_| Turn::new().text(format!("You said {CANARY}.")));
    let world = World::begin(Setup {
        model: ScriptedModel::new(turns),
        admins: vec![key(1).public_key()],
        ..Setup::default()
    })
    .await;
    let admin = world.member(1).await;
    let member = world.member(2).await;
    let said = json!({ "content": format!("Keep {CANARY} for me.") });
    assert_eq!(world.chat(&member.token, said).await.status, 200);
    world
        .set(member.address(), "prompts.persona", json!(CANARY))
        .await;
    (world, admin, member)
}

fn standing(person: &Person, standing: &str) -> Call {
    let path = format!("/api/v1/admin/identities/{}", person.address());
    Call::put(&path, json!({ "standing": standing }).to_string())
}

#[tokio::test]
async fn administrators_see_nothing_of_what_members_wrote() {
    let (world, admin, member) = world().await;
    let changed = standing(&member, "disabled");
    assert_eq!(world.send_signed(&admin, changed).await.status, 200);
    let mut seen = 0;
    let all = routes().into_iter();
    for route in all.filter(|route| route.access == Access::Admin) {
        let path = route.path.replace("{version}", "1");
        let path = path.replace("{collection}/{id}", "messages/msg_1");
        let path = path.replace("{key}", &member.address().to_string());
        assert!(!path.contains('{'), "how is {path} walked?");
        let body = match (&route.method, route.path) {
            (&Method::PUT, "/api/v1/admin/template") => {
                json!({ "document": template(), "expected_version": 1 })
            }
            (&Method::PUT, _) => json!({ "standing": "active" }),
            _ => json!({}),
        };
        let call = match route.method {
            Method::GET | Method::DELETE => Call::new(&route.method, &path),
            _ => Call::json(&route.method, &path, body.to_string()),
        };
        // Whoever is erased cannot be looked at again, so this comes last.
        if route.method == Method::DELETE {
            continue;
        }
        let answer = world.send_signed(&admin, call).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(!answer.body.contains(CANARY), "{path}: {}", answer.body);
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
    let path = format!("/api/v1/admin/identities/{}", member.address());
    let call = Call::new(&Method::DELETE, &path);
    let answer = world.send_signed(&admin, call.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(!answer.body.contains(CANARY));
    assert_eq!(answer.json()["messages"], 2);
    assert_eq!(world.send_signed(&admin, call).await.status, 404);
    assert!(
        world
            .store
            .identity(member.address())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_disabled_person_is_signed_out_and_an_approved_one_is_let_in() {
    let (world, admin, member) = world().await;
    let answer = world
        .send_signed(&admin, standing(&member, "disabled"))
        .await;
    assert_eq!(answer.json()["standing"], "disabled");
    let asked = world
        .chat(&member.token, json!({ "content": "Hello" }))
        .await;
    assert_eq!(asked.code(), "401 unauthenticated");
    let listed = Call::get("/api/v1/admin/identities?standing=disabled&limit=1");
    let listed = world.send(listed.token(&admin.token)).await.json();
    assert_eq!(
        listed["identities"][0]["public_key"],
        member.address().to_string()
    );
    assert_eq!(listed["next_after"], json!(null));
    assert_eq!(listed["counts"]["disabled"], 1);
    let path = format!("/api/v1/admin/identities/{}", member.address());
    let one = world.send(Call::get(&path).token(&admin.token)).await;
    assert_eq!(one.json(), listed["identities"][0]);
    world.send_signed(&admin, standing(&member, "active")).await;
    let token = world.sign_in(&member.key).await;
    let asked = world.chat(&token, json!({ "content": "Hello" })).await;
    assert_eq!(asked.status, 200);
}

#[tokio::test]
async fn a_change_by_an_administrator_is_signed_and_on_record() {
    let (world, admin, member) = world().await;
    let changes = [
        standing(&member, "disabled"),
        Call::put(
            "/api/v1/admin/template",
            json!({ "document": template(), "expected_version": 1 }).to_string(),
        ),
        Call::new(
            &Method::DELETE,
            &format!("/api/v1/admin/identities/{}", member.address()),
        ),
    ];
    for call in &changes {
        let unsigned = world.send(call.clone().token(&admin.token)).await;
        assert_eq!(unsigned.code(), "401 signature_required");
        let other = world.send_signed(&member, call.clone()).await;
        assert_eq!(other.code(), "403 not_an_admin");
    }
    assert_eq!(world.store.audit(0, 10).await.unwrap().entries, []);
    world.send_signed(&admin, changes[0].clone()).await;
    let mut document = template();
    document["system"]["app_name"] = json!("Renamed");
    let change = json!({ "document": document, "expected_version": 1 });
    let change = Call::put("/api/v1/admin/template", change.to_string());
    let stored = world.send_signed(&admin, change).await;
    assert_eq!(stored.json()["version"], 2, "{}", stored.body);
    let read = Call::get("/api/v1/admin/audit").token(&admin.token);
    let shown = world.send(read).await.json();
    let entries = shown["entries"].as_array().unwrap();
    let actions: Vec<_> = entries
        .iter()
        .map(|entry| entry["action"].clone())
        .collect();
    assert_eq!(actions, ["identity.disable", "template"]);
    for entry in entries {
        assert_eq!(entry["actor"], admin.address().to_string());
        assert!(entry["signature"].is_string());
    }
    let next = Call::get("/api/v1/admin/audit?after=1&limit=1").token(&admin.token);
    assert_eq!(world.send(next).await.json()["entries"][0]["seq"], 2);
    let entries = world.store.audit(0, 10).await.unwrap().entries;
    assert!(audit::verify(&entries).is_ok());
}

#[tokio::test]
async fn a_token_for_administration_reads_and_changes_nothing_without_the_signature_of_its_key() {
    let (world, _, member) = world().await;
    let admin = world.admin().await;
    let document = json!({ "document": template(), "expected_version": 1 }).to_string();
    let person = format!("/api/v1/admin/identities/{}", member.address());
    for change in [
        standing(&member, "disabled"),
        Call::new(&Method::DELETE, &person),
        Call::put("/api/v1/admin/template", document.clone()),
        Call::put("/api/v1/admin/template?dry_run=true", document),
    ] {
        let unsigned = world.send(change.clone().token(&admin.token)).await;
        assert_eq!(unsigned.code(), "401 signature_required");
        let by_another = change
            .token(&admin.token)
            .signed(&member.key, world.clock.now());
        assert_eq!(world.send(by_another).await.code(), "401 other_key");
    }
    for path in [
        "template",
        "template/versions",
        "template/versions/1",
        "identities",
        "audit",
    ] {
        let read = Call::get(&format!("/api/v1/admin/{path}")).token(&admin.token);
        assert_eq!(world.send(read).await.status, 200, "{path}");
    }
    assert_eq!(world.store.audit(0, 10).await.unwrap().entries, []);

    let answer = world
        .send_signed(&admin, standing(&member, "disabled"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let entries = world.store.audit(0, 10).await.unwrap().entries;
    assert_eq!(entries[0].actor.to_string(), admin.address().to_string());
    assert!(entries[0].signature.is_some());
    for wrong in ["pending", "Active"] {
        let answer = world.send_signed(&admin, standing(&member, wrong)).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
    }
    let path = "/api/v1/admin/identities/nobody";
    let call = Call::put(path, r#"{"standing": "active"}"#);
    assert_eq!(world.send_signed(&admin, call).await.status, 404);
    let nobody = world.send(Call::get(path).token(&admin.token)).await;
    assert_eq!(nobody.code(), "404 not_found");
}

#[tokio::test]
async fn whoever_is_disabled_takes_their_data_away_and_does_not_come_back_by_registering() {
    let (world, admin, member) = world().await;
    let again = async |member: &Person| Person {
        key: member.key.clone(),
        token: world.sign_in(&member.key).await,
    };
    let profile = async |member: &Person| {
        let profile = Call::get("/api/v1/profile").token(&member.token);
        world.send(profile).await
    };
    world
        .send_signed(&admin, standing(&member, "disabled"))
        .await;
    let member = again(&member).await;
    let erased = world.execute(&member, "identity.delete", json!({})).await;
    let told = erased.json();
    assert_eq!(told["data"]["messages"], 2, "{told}");
    assert_eq!(told["data"]["stays_disabled"], true, "{told}");
    assert!(told["message"].as_str().unwrap().contains("stays disabled"));

    let member = again(&member).await;
    let registered = world.execute(&member, "identity", json!({})).await;
    let told = registered.json();
    assert_eq!(told["data"]["standing"], "disabled", "{told}");
    assert_eq!(profile(&member).await.code(), "403 identity_disabled");
    let listed = Call::get("/api/v1/admin/identities?standing=disabled");
    let listed = world.send(listed.token(&admin.token)).await.json();
    let row = &listed["identities"][0];
    assert_eq!(row["public_key"], member.address().to_string());

    world.send_signed(&admin, standing(&member, "active")).await;
    assert_eq!(profile(&member).await.status, 200);
    assert_eq!(world.stored(member.address()).await, []);
    // Whoever is let in leaves no trace but the record.
    let erased = world.execute(&member, "identity.delete", json!({})).await;
    assert_eq!(erased.json()["data"].get("stays_disabled"), None);
    let gone = world.store.identity(member.address()).await.unwrap();
    assert_eq!(gone, None);
}
