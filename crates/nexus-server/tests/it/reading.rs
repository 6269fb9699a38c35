//! What a person can read: their profile, their messages, the models.

use chrono::TimeDelta;
use insta::assert_snapshot;
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::{Value, json};

use crate::client::{Call, redacted};
use crate::world::{ALICE, BOB, World};

fn pretty(value: &Value) -> String {
    redacted(&serde_json::to_string_pretty(value).unwrap())
}

#[tokio::test]
async fn a_profile_says_where_each_value_comes_from() {
    let world = World::new(ScriptedModel::default()).await;
    world.set(ALICE, "temperature", json!(0.2)).await;
    let token = world.token(ALICE).await;
    let answer = world.send(Call::get("/api/v1/profile").token(&token)).await;
    assert_eq!(answer.status, 200);
    let mut profile = answer.json();
    let fields = profile.as_object_mut().unwrap().remove("fields").unwrap();
    let lines = std::iter::once(&profile).chain(fields.as_array().unwrap());
    let lines: Vec<_> = lines.map(ToString::to_string).collect();
    assert_snapshot!(lines.join("\n"), @r#"
    {"public_key":"0xA1A1a1a1A1A1A1A1A1a1a1a1a1a1A1A1a1A1a1a1","created_at":"2025-10-09T08:53:20Z","app_name":"Test Nexus","template_version":1,"time_zone":null,"field_options":{"config.temperature":{"type":"slider","min":0.0,"max":1.5}},"notices":[]}
    {"field":"config.model","value":"calm","layer":"genesis","shadowed":[],"editable":true}
    {"field":"config.temperature","value":0.2,"layer":"identity","shadowed":[{"layer":"genesis","value":0.8}],"editable":true,"bounds":{"min":0.0,"max":1.5}}
    {"field":"config.max_tokens","value":100,"layer":"catalog","shadowed":[],"editable":false,"lock":"not_editable","bounds":{"min":1.0,"max":1000000.0,"steps":[{"size":1.0,"origin":0.0}]}}
    {"field":"config.history_context_size","value":4,"layer":"genesis","shadowed":[{"layer":"builtin","value":20}],"editable":false,"lock":"not_editable","bounds":{"min":0.0,"max":100.0,"steps":[{"size":1.0,"origin":0.0}]}}
    {"field":"config.tools","value":["far"],"layer":"builtin","shadowed":[],"editable":false,"lock":"not_editable"}
    {"field":"prompts.persona","value":"You are Nexus.","layer":"genesis","shadowed":[],"editable":true}
    "#);
}

#[tokio::test]
async fn tools_are_listed_with_whether_the_person_has_them() {
    let world = World::new(ScriptedModel::default()).await;
    let token = world.token(ALICE).await;
    let answer = world.send(Call::get("/api/v1/tools").token(&token)).await;
    let description = "Tells the current date, time and day of the week.";
    assert_eq!(
        answer.json(),
        json!({ "servers": [
            { "name": "current_time", "kind": "builtin", "reachable": true, "tools": [
                { "name": "current_time", "model_name": "current_time", "description": description, "on": false }
            ] },
            { "name": "far", "kind": "http", "reachable": false, "reason": "nothing listens at its address", "tools": [] },
        ] })
    );
}

#[tokio::test]
async fn models_are_listed_with_what_can_be_done_with_them() {
    let world = World::new(ScriptedModel::default()).await;
    let token = world.token(ALICE).await;
    let answer = world.send(Call::get("/api/v1/models").token(&token)).await;
    assert_snapshot!(pretty(&answer.json()), @r#"
    {
      "default": "calm",
      "models": [
        {
          "name": "calm",
          "id": "calm-1",
          "aliases": [
            "Calm"
          ],
          "provider": "builtin",
          "protocol": "builtin",
          "available": true,
          "choosable": true,
          "default_params": {
            "max_tokens": 100
          }
        },
        {
          "name": "wild",
          "id": "wild-1",
          "aliases": [],
          "provider": "far",
          "protocol": "openai",
          "available": false,
          "reason": "provider far has no key: set FAR_KEY and start Nexus again",
          "choosable": true,
          "default_params": {}
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn the_index_lists_the_routes() {
    let world = World::new(ScriptedModel::default()).await;
    let answer = world.send(Call::get("/api/v1")).await;
    assert_snapshot!(answer.shown(), @r#"200 {"name":"nexus","version":"0.1.0","app_name":"Test Nexus","signed_in":false,"routes":["GET /api/v1","POST /api/v1/auth/challenge","POST /api/v1/auth/verify","GET /api/v1/auth/session","DELETE /api/v1/auth/session","GET /api/v1/commands","POST /api/v1/commands/execute","POST /api/v1/identity","DELETE /api/v1/identity","PUT /api/v1/profile/{field}","DELETE /api/v1/profile/{field}","GET /api/v1/keys","POST /api/v1/keys","DELETE /api/v1/keys/{id}","GET /api/v1/sessions","DELETE /api/v1/sessions","DELETE /api/v1/sessions/{id}","GET /api/v1/export","POST /api/v1/chat","GET /api/v1/runs","POST /api/v1/runs/{run_id}/cancel","GET /api/v1/messages","GET /api/v1/models","GET /api/v1/tools","GET /api/v1/profile","GET /api/v1/usage","GET /api/v1/admin/template","PUT /api/v1/admin/template","GET /api/v1/admin/template/versions","GET /api/v1/admin/template/versions/{version}","GET /api/v1/admin/identities","GET /api/v1/admin/identities/{key}","PUT /api/v1/admin/identities/{key}","DELETE /api/v1/admin/identities/{key}","GET /api/v1/admin/quarantine","DELETE /api/v1/admin/quarantine/{collection}/{id}","GET /api/v1/admin/audit"]}"#);
}

#[tokio::test]
async fn a_message_is_shown_as_it_is_stored() {
    let world = World::new(ScriptedModel::new([Turn::new().text("Yes.")])).await;
    let token = world.token(ALICE).await;
    world
        .chat(&token, json!({ "content": "Are you there?" }))
        .await;
    let answer = world
        .send(Call::get("/api/v1/messages").token(&token))
        .await;
    assert_snapshot!(pretty(&answer.json()), @r#"
    {
      "messages": [
        {
          "id": "msg_…",
          "run_id": "run_…",
          "owner_key": "0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
          "role": "ai",
          "content": "Yes.",
          "timestamp": "2025-10-09T08:53:20Z",
          "metadata": {
            "model": {
              "name": "calm",
              "provider": "builtin",
              "id": "calm-1"
            },
            "template_version": 1,
            "finish_reason": "stop",
            "usage": {
              "input_tokens": 15,
              "output_tokens": 1
            },
            "usage_estimated": true
          }
        },
        {
          "id": "msg_…",
          "run_id": "run_…",
          "owner_key": "0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
          "role": "human",
          "content": "Are you there?",
          "timestamp": "2025-10-09T08:53:20Z",
          "metadata": {}
        }
      ],
      "unreadable": [],
      "next_cursor": null
    }
    "#);
}

#[tokio::test]
async fn pages_hold_every_message_once_also_when_new_ones_arrive() {
    let turns = (0..8).map(|number| Turn::new().text(format!("answer {number}")));
    let world = World::new(ScriptedModel::new(turns)).await;
    let token = world.token(ALICE).await;
    for number in 0..7 {
        world
            .chat(&token, json!({ "content": format!("question {number}") }))
            .await;
        world.clock.advance(TimeDelta::seconds(1));
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/messages?limit=3".to_owned();
    loop {
        let page = world.send(Call::get(&path).token(&token)).await.json();
        let messages = page["messages"].as_array().unwrap();
        assert!(messages.len() <= 3);
        seen.extend(
            messages
                .iter()
                .map(|message| message["content"].as_str().unwrap().to_owned()),
        );
        if seen.len() == 3 {
            world.chat(&token, json!({ "content": "meanwhile" })).await;
        }
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/api/v1/messages?limit=3&cursor={cursor}");
    }
    let expected: Vec<_> = (0..7)
        .rev()
        .flat_map(|number| [format!("answer {number}"), format!("question {number}")])
        .collect();
    assert_eq!(seen, expected);

    let bob = world.token(BOB).await;
    let others = world.send(Call::get("/api/v1/messages").token(&bob)).await;
    assert_snapshot!(others.shown(), @r#"200 {"messages":[],"unreadable":[],"next_cursor":null}"#);
}
