//! Registration, who may execute what, and what goes on record.

use http::Method;
use insta::assert_snapshot;
use nexus_core::command::Audience;
use nexus_core::{AuditEntry, CommandName, audit};
use nexus_run::Registration;
use nexus_store::AuditStore as _;
use serde_json::{Value, json};

use super::keys::arguments;
use crate::client::Call;
use crate::world::{Person, Setup, World, key};

async fn under(registration: Registration) -> World {
    let setup = Setup {
        registration,
        admins: vec![key(9).public_key()],
        ..Setup::default()
    };
    World::begin(setup).await
}

async fn register(world: &World, person: &Person) -> String {
    let answer = world.execute(person, "identity", json!({})).await;
    let profile = world
        .send(Call::get("/api/v1/profile").token(&person.token))
        .await;
    let session = Call::get("/api/v1/auth/session").token(&person.token);
    let standing = world.send(session).await.json()["standing"].take();
    let words = if answer.status == 200 {
        answer.json()["message"].take()
    } else {
        answer.error().into()
    };
    format!("{} {} {} {words}", answer.status, profile.status, standing)
}

#[tokio::test]
async fn registration_says_what_came_of_it_each_time() {
    let mut lines = Vec::new();
    for registration in [
        Registration::Open,
        Registration::Approval,
        Registration::Closed,
    ] {
        let world = under(registration).await;
        let person = world.visitor(1).await;
        for _ in 0..2 {
            lines.push(format!(
                "{registration:?} {}",
                register(&world, &person).await
            ));
        }
        let admin = world.visitor(9).await;
        lines.push(format!(
            "{registration:?} admin {}",
            register(&world, &admin).await
        ));
    }
    assert_snapshot!(lines.join("\n"), @r#"
    Open 200 200 "member" "Your key is registered now. You are let in."
    Open 200 200 "member" "Your key was registered before. You are let in."
    Open admin 200 200 "member" "Your key is registered now. You are let in."
    Approval 200 403 "pending" "Your key is registered now. An administrator of this server decides whether you are let in."
    Approval 200 403 "pending" "Your key was registered before. An administrator of this server decides whether you are let in."
    Approval admin 200 200 "member" "Your key is registered now. You are let in."
    Closed 403 403 "visitor" "403 registration_closed -: this server registers nobody by itself: ask the person who runs it to run `nexus identity new 0x1a642f0e3c3af545e7acbd38b07251b3990914f1`"
    Closed 403 403 "visitor" "403 registration_closed -: this server registers nobody by itself: ask the person who runs it to run `nexus identity new 0x1a642f0e3c3af545e7acbd38b07251b3990914f1`"
    Closed admin 200 200 "member" "Your key is registered now. You are let in."
    "#);
}

#[tokio::test]
async fn a_registration_that_is_not_signed_does_not_happen() {
    let world = under(Registration::Open).await;
    let person = world.visitor(1).await;
    let by_name = Call::command("identity", &json!({})).token(&person.token);
    let by_name = world.send(by_name).await.shown();
    let by_path = Call::new(&Method::POST, "/api/v1/identity").token(&person.token);
    assert_eq!(by_name, world.send(by_path).await.shown());
    assert_snapshot!(by_name, @r#"401 {"error":{"code":"signature_required","message":"identity needs a fresh signature with your key: sign this request, and send it again"}}"#);
    let profile = Call::get("/api/v1/profile").token(&person.token);
    assert_eq!(world.send(profile).await.code(), "403 not_a_member");
}

#[tokio::test]
async fn a_visitor_executes_what_the_list_says_and_nothing_else() {
    let world = under(Registration::Closed).await;
    let visitor = world.visitor(1).await;
    let list = world.send(Call::get("/api/v1/commands")).await.json()["commands"].take();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), CommandName::ALL.len());
    for (name, described) in CommandName::ALL.iter().zip(list) {
        assert_eq!(described["name"], name.as_str());
        let spec = name.spec();
        assert_eq!(described["needs_signature"], spec.is_sovereign);
        let unsigned = Call::command(name.as_str(), &arguments(*name)).token(&visitor.token);
        let unsigned = world.send(unsigned).await;
        let needs_signature = unsigned.status == 401;
        assert_eq!(needs_signature, spec.is_sovereign, "{name}");
        if needs_signature {
            assert_eq!(unsigned.code(), "401 signature_required", "{name}");
        }
        // Signed, so that only standing decides.
        let answer = world
            .execute(&visitor, name.as_str(), arguments(*name))
            .await;
        match spec.audience {
            Audience::Member => assert_eq!(answer.code(), "403 not_a_member", "{name}"),
            Audience::Visitor => assert!(
                !answer.body.contains("not_a_member") && answer.status < 500,
                "{name}: {}",
                answer.body
            ),
        }
        // Revoking every session was one of them.
        if *name == CommandName::SessionRevokeAll {
            assert_eq!(answer.status, 200);
            break;
        }
    }
}

/// Both ways of saying the same.
fn twins() -> Vec<(CommandName, Value, Call)> {
    let value = |value: Value| json!({ "value": value }).to_string();
    let delete = |path: &str| Call::new(&Method::DELETE, path);
    let put = |path: &str, body: String| Call::json(&Method::PUT, path, body);
    vec![
        (
            CommandName::Identity,
            json!({}),
            Call::new(&Method::POST, "/api/v1/identity"),
        ),
        (
            CommandName::ConfigSet,
            json!({ "field": "temperature", "value": 0.3 }),
            put("/api/v1/profile/temperature", value(json!(0.3))),
        ),
        (
            CommandName::ConfigUnset,
            json!({ "field": "temperature" }),
            delete("/api/v1/profile/config.temperature"),
        ),
        (
            CommandName::PromptSet,
            json!({ "name": "persona", "content": "Me." }),
            put("/api/v1/profile/prompts.persona", value(json!("Me."))),
        ),
        (
            CommandName::PromptUnset,
            json!({ "name": "persona" }),
            delete("/api/v1/profile/prompts.persona"),
        ),
        (
            CommandName::TimeZoneSet,
            json!({ "value": "Europe/Berlin" }),
            put("/api/v1/profile/time_zone", value(json!("Europe/Berlin"))),
        ),
        (
            CommandName::TimeZoneUnset,
            json!({}),
            delete("/api/v1/profile/time_zone"),
        ),
        (CommandName::KeyList, json!({}), Call::get("/api/v1/keys")),
        (
            CommandName::SessionList,
            json!({}),
            Call::get("/api/v1/sessions"),
        ),
        (
            CommandName::SessionRevoke,
            json!({ "id": super::NO_SESSION }),
            delete(&format!("/api/v1/sessions/{}", super::NO_SESSION)),
        ),
        (
            CommandName::KeyRevoke,
            json!({ "id": super::NO_KEY }),
            delete(&format!("/api/v1/keys/{}", super::NO_KEY)),
        ),
    ]
}

#[tokio::test]
async fn a_command_and_its_resource_answer_the_same() {
    let world = under(Registration::Open).await;
    let alice = world.member(1).await;
    for (name, arguments, call) in twins() {
        let by_name = world.execute(&alice, name.as_str(), arguments).await;
        let by_path = world.send_signed(&alice, call.clone()).await;
        assert_eq!(by_name.shown(), by_path.shown(), "{name}");
        let unsigned = world.send(call.token(&alice.token)).await;
        let is_refused = unsigned.status == 401;
        assert_eq!(
            is_refused,
            name.spec().is_sovereign,
            "{name}: {}",
            unsigned.body
        );
    }
}

#[tokio::test]
async fn every_change_is_on_record_with_its_signature() {
    let world = under(Registration::Open).await;
    let alice = world.visitor(1).await;
    let mut expected = Vec::new();
    let mut execute = async |name: CommandName, arguments: Value| {
        let call = world.signed(&alice, Call::command(name.as_str(), &arguments));
        let signature = call.value("signature").to_owned();
        let answer = world.send(call).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        expected.push((name.as_str().to_owned(), signature));
        answer.json()["data"].take()
    };
    execute(CommandName::Identity, json!({})).await;
    for name in [
        CommandName::ConfigSet,
        CommandName::ConfigUnset,
        CommandName::PromptSet,
        CommandName::PromptUnset,
        CommandName::TimeZoneSet,
        CommandName::TimeZoneUnset,
    ] {
        execute(name, arguments(name)).await;
    }
    let made = execute(CommandName::KeyCreate, json!({ "name": "k" })).await;
    execute(CommandName::KeyRevoke, json!({ "id": made["key"]["id"] })).await;
    let other = world.sign_in(&alice.key).await;
    let other = world
        .send(Call::get("/api/v1/auth/session").token(&other))
        .await;
    let id = other.json()["session"]["id"].take();
    execute(CommandName::SessionRevoke, json!({ "id": id })).await;
    execute(CommandName::SessionRevokeAll, json!({})).await;
    let alice = world.visitor(1).await;
    let call = world.signed(&alice, Call::command("identity.delete", &json!({})));
    expected.push((
        "identity.delete".to_owned(),
        call.value("signature").to_owned(),
    ));
    assert_eq!(world.send(call).await.status, 200);

    let page = world.store.audit(0, 100).await.unwrap();
    let entries: &[AuditEntry] = &page.entries;
    audit::verify(entries).unwrap();
    let found: Vec<_> = entries
        .iter()
        .map(|entry| {
            assert_eq!(entry.actor.to_string(), alice.address().to_string());
            let signature = entry.signature.as_deref().unwrap_or("none");
            (
                entry.action.as_str().to_owned(),
                format!("eth=:{signature}:"),
            )
        })
        .collect();
    assert_eq!(found, expected);
    let text = format!("{entries:?}");
    assert!(!text.contains("Me."), "the record has no contents: {text}");
}
