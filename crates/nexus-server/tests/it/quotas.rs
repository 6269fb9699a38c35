//! Limits as a client meets them, what was used, and what money can be asked for.

use chrono::TimeDelta;
use nexus_core::event::Usage;
use nexus_core::{IdentityWrite, Standing};
use nexus_store::{IdentityStore as _, MessageStore as _};
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::{Value, json};

use crate::client::{Answer, Call};
use crate::world::{ALICE, Setup, World, template};

async fn world(limits: Value, trusted_proxies: &[&str]) -> World {
    let mut template = template();
    template["limits"] = limits;
    let turns = (0..20).map(|_| Turn::new().text("Hi."));
    World::begin(Setup {
        model: ScriptedModel::new(turns),
        template: Some(template),
        trusted_proxies: trusted_proxies.iter().map(ToString::to_string).collect(),
        ..Setup::default()
    })
    .await
}

/// A sign-in that cannot succeed, said to come from somewhere.
fn guess(from: &str) -> Call {
    let body = json!({ "message": "let me in", "signature": "please" });
    Call::post("/api/v1/auth/verify", body.to_string()).header("x-forwarded-for", from)
}

fn limited(answer: &Answer, limit: &str) -> u64 {
    assert_eq!(answer.code(), "429 rate_limited", "{}", answer.body);
    let error = &answer.json()["error"];
    assert_eq!(error["field"], limit);
    assert_eq!(error["retryable"], true);
    assert!(error["message"].as_str().unwrap().contains(limit));
    answer.header("retry-after").parse().unwrap()
}

#[tokio::test]
async fn t31_sign_ins_are_counted_by_where_they_come_from_and_forged_headers_are_ignored() {
    let limits = json!({ "ip": { "sign_in_per_minute": 3 } });
    let world = world(limits, &[]).await;
    for place in 0..3 {
        let answer = world.send(guess(&format!("192.0.2.{place}"))).await;
        assert_eq!(answer.code(), "401 sign_in_refused");
    }
    let wait = limited(
        &world.send(guess("198.51.100.7")).await,
        "limits.ip.sign_in_per_minute",
    );
    world
        .clock
        .advance(TimeDelta::seconds(i64::try_from(wait).unwrap()));
    let answer = world.send(guess("192.0.2.1")).await;
    assert_eq!(answer.code(), "401 sign_in_refused");
}

#[tokio::test]
async fn t31_behind_a_trusted_proxy_each_client_has_a_limit_of_its_own() {
    let limits = json!({ "ip": { "sign_in_per_minute": 1 } });
    let world = world(limits, &["127.0.0.0/8"]).await;
    for from in ["192.0.2.1", "192.0.2.2", "1.1.1.1, 2001:db8:1:2::1"] {
        assert_eq!(world.send(guess(from)).await.status, 401);
    }
    // What stands before the hop that the proxy saw is what the client made up.
    for from in ["9.9.9.9, 192.0.2.1", "192.0.2.2", "2001:db8:1:2::ffff"] {
        assert_eq!(world.send(guess(from)).await.status, 429, "{from}");
    }
}

#[tokio::test]
async fn t31_new_identities_are_counted_and_known_ones_are_not() {
    let limits = json!({ "ip": { "registrations_per_hour": 2 } });
    let world = world(limits, &[]).await;
    let mut people = Vec::new();
    for seed in 1..=3 {
        people.push(world.visitor(seed).await);
    }
    for person in &people[..2] {
        assert_eq!(
            world.execute(person, "identity", json!({})).await.status,
            200
        );
    }
    let refused = world.execute(&people[2], "identity", json!({})).await;
    assert!(limited(&refused, "limits.ip.registrations_per_hour") <= 3_600);
    assert!(
        world
            .store
            .identity(people[2].address())
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        world
            .execute(&people[0], "identity", json!({}))
            .await
            .status,
        200
    );
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(
        world
            .execute(&people[2], "identity", json!({}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn t31_who_has_no_valid_credential_is_slowed_down_and_who_has_one_is_not() {
    let limits = json!({ "ip": { "requests_per_minute": 3 } });
    let world = world(limits, &[]).await;
    let token = world.token(ALICE).await;
    for call in [
        Call::get("/api/v1"),
        Call::get("/api/v1/messages"),
        Call::get("/api/v1/messages").token("nxd_guess"),
    ] {
        assert_ne!(world.send(call).await.status, 429);
    }
    for path in ["/api/v1", "/api/v1/messages"] {
        limited(
            &world.send(Call::get(path)).await,
            "limits.ip.requests_per_minute",
        );
    }
    let mine = Call::get("/api/v1/messages").token(&token);
    assert_eq!(world.send(mine).await.status, 200);
    assert_eq!(world.send(Call::get("/livez")).await.status, 200);
}

#[tokio::test]
async fn a_question_too_many_is_refused_before_anything_is_stored() {
    let limits = json!({ "identity": { "requests_per_minute": 2 } });
    let world = world(limits, &[]).await;
    let token = world.token(ALICE).await;
    for left in ["1", "0"] {
        let answer = world.chat(&token, json!({ "content": "Hello" })).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-limit-requests"), "2");
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), left);
        assert!(!answer.header("x-ratelimit-reset-requests").is_empty());
    }
    let answer = world.chat(&token, json!({ "content": "Hello" })).await;
    limited(&answer, "limits.identity.requests_per_minute");
    assert_eq!(world.stored(ALICE).await.len(), 4);
    assert_eq!(world.model.requests().len(), 2);
}

#[tokio::test]
async fn t15_no_request_can_ask_for_more_money_than_the_template_allows() {
    let mut template = template();
    template["ui"]["editable_fields"] = json!(["config.model", "config.max_tokens"]);
    template["ui"]["field_options"] =
        json!({ "config.model": { "options": ["calm"] }, "config.max_tokens": { "max": 500 } });
    template["llm"]["catalog"]["wild"]["aliases"] = json!(["Cheap"]);
    let world = World::begin(Setup {
        template: Some(template),
        ..Setup::default()
    })
    .await;
    let alice = world.token(ALICE).await;
    for config in [
        r#"{"max_tokens": 1e12}"#,
        r#"{"max_tokens": 1000000000000}"#,
        r#"{"max_tokens": 501}"#,
        r#"{"max_tokens": -1}"#,
        r#"{"max_tokens": 0.5}"#,
        r#"{"max_tokens": "NaN"}"#,
        r#"{"max_tokens": NaN}"#,
        r#"{"max_tokens": 1e999}"#,
        r#"{"max_tokens": null}"#,
        r#"{"temperature": -0.1}"#,
        r#"{"temperature": "Infinity"}"#,
        r#"{"model": "wild"}"#,
        r#"{"model": "Cheap"}"#,
        r#"{"model": "wild-1"}"#,
        r#"{"model": "calm\u0000"}"#,
        r#"{"n": 50}"#,
    ] {
        let body = format!(r#"{{"content": "Hello", "config": {config}}}"#);
        let answer = world
            .send(Call::post("/api/v1/chat", body).token(&alice))
            .await;
        assert!(
            [400, 422].contains(&answer.status),
            "{config}: {}",
            answer.body
        );
    }
    let person = world.member(9).await;
    for (field, value) in [
        ("max_tokens", json!(1e12)),
        ("max_tokens", json!(-1)),
        ("max_tokens", json!("NaN")),
        ("model", json!("Cheap")),
        ("model", json!("wild-1")),
    ] {
        let arguments = json!({ "field": field, "value": value });
        let answer = world.execute(&person, "config.set", arguments).await;
        assert_eq!(answer.status, 422, "{field}: {}", answer.body);
    }
    assert_eq!(world.model.requests().len(), 0, "no model was asked");
    assert_eq!(world.stored(ALICE).await, []);
}

#[tokio::test]
async fn usage_is_shown_by_day_and_model_to_whom_it_belongs() {
    let usage = Usage {
        input_tokens: 1_000,
        output_tokens: 100,
        cached_input_tokens: Some(400),
        reasoning_tokens: None,
    };
    let mut template = template();
    template["llm"]["catalog"]["calm"]["price"] =
        json!({ "input": 1, "output": 10, "cached_input": 0.5 });
    let turns = (0..3).map(|_| Turn::new().text("Hi.").usage(usage));
    let world = World::begin(Setup {
        model: ScriptedModel::new(turns),
        template: Some(template),
        ..Setup::default()
    })
    .await;
    let person = world.member(7).await;
    for _ in 0..2 {
        world
            .chat(&person.token, json!({ "content": "Hello" }))
            .await;
    }
    world.clock.advance(TimeDelta::hours(1));
    let read = async |path: &str| world.send(Call::get(path).token(&person.token)).await;
    let shown = read("/api/v1/usage").await.json();
    assert_eq!(shown["usage"].as_array().unwrap().len(), 1);
    assert_eq!(shown["usage"][0]["model"], "calm");
    assert_eq!(shown["total"]["runs"], 2);
    assert_eq!(shown["total"]["input_tokens"], 2_000);
    assert_eq!(shown["total"]["cost_micros"], 2 * (600 + 200 + 1_000));
    assert_eq!(shown["to"], world.today());
    let none = read("/api/v1/usage?from=2020-01-01&to=2020-01-02")
        .await
        .json();
    assert_eq!(none["usage"], json!([]));
    for query in [
        "from=2020-01-02&to=2020-01-01",
        "from=2020-01-01&to=2022-01-01",
        "from=%2B12020-01-01&to=%2B12020-01-02",
        "from=yesterday",
        "days=3",
    ] {
        let answer = read(&format!("/api/v1/usage?{query}")).await;
        assert_eq!(answer.code(), "422 invalid_query", "{query}");
    }
    // Others see nothing of it, and neither does anybody when the person is gone.
    let other = world.token(ALICE).await;
    let theirs = world.send(Call::get("/api/v1/usage").token(&other)).await;
    assert_eq!(theirs.json()["total"]["runs"], 0);
    let token = world.token(person.address()).await;
    world.store.erase_identity(person.address()).await.unwrap();
    let gone = world.send(Call::get("/api/v1/usage").token(&token)).await;
    assert!([401, 403].contains(&gone.status), "{}", gone.body);
}

#[tokio::test]
async fn somebody_who_is_locked_out_spends_nothing() {
    let world = world(json!({}), &[]).await;
    let token = world.token(ALICE).await;
    let alice = world.store.identity(ALICE).await.unwrap().unwrap();
    let write = IdentityWrite::Standing(Standing::Disabled);
    let alice = world.store.write_identity(&alice, write).await.unwrap();
    world.chat(&token, json!({ "content": "Hello" })).await;
    assert_eq!(world.model.requests().len(), 0);
    let page = world.store.messages(&alice, 9, None).await.unwrap();
    assert_eq!(page.messages.len(), 0);
}
