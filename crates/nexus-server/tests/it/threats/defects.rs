//! T25: what goes wrong inside is the trouble of one request, and names of others are only text.

use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::{Value, json};

use crate::client::Call;
use crate::world::{ALICE, Setup, World};

#[tokio::test]
async fn t25_a_panic_is_one_clean_error_and_the_server_goes_on() {
    let model = ScriptedModel::new([Turn::new().text("Hi.")]);
    let world = World::new(model).await;
    let token = world.token(ALICE).await;
    let mut client = world.client().await;
    world.store.panic();
    for _ in 0..3 {
        let call = Call::get("/api/v1/messages").token(&token);
        let answer = client.send(call).await;
        assert_eq!(answer.code(), "500 internal");
        let id = answer.header("x-request-id");
        assert!(id.starts_with("req_"));
        assert_eq!(answer.json()["error"]["details"]["request_id"], id);
        assert!(!answer.body.contains("the secret of the store"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    // On the same connection, and for everybody.
    assert_eq!(client.send(Call::get("/livez")).await.status, 200);
    let answer = world.chat(&token, json!({ "content": "Hello" })).await;
    assert!(answer.body.contains("Hi."), "{}", answer.body);
}

/// The names and the data of the events of an answer.
fn events(body: &str) -> Vec<(&str, Value)> {
    let events = body.split("\n\n").filter(|event| !event.is_empty());
    let read = events.map(|event| {
        let (name, data) = event.split_once('\n').unwrap();
        let data = data.strip_prefix("data: ").unwrap();
        (
            name.strip_prefix("event: ").unwrap(),
            serde_json::from_str(data).unwrap(),
        )
    });
    read.collect()
}

#[tokio::test]
async fn t25_a_tool_name_with_a_line_end_is_an_ordinary_error() {
    for name in [
        "a\nb",
        "a\r\nevent: error\ndata: {}\n\n",
        "\u{0}",
        "",
        "\u{2028}",
    ] {
        let call = Turn::new().tool_call("1\n2\u{0}", name, r#"{"a":"b\nc"}"#);
        let world = World::begin(Setup {
            model: ScriptedModel::new([call, Turn::new().text("Done.")]),
            ..Setup::default()
        })
        .await;
        let alice = world.member(1).await;
        let answer = world.chat(&alice.token, json!({ "content": "Go" })).await;
        assert_eq!(answer.status, 200);
        let events = events(&answer.body);
        let names: Vec<_> = events.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "run_started",
                "tool_call_started",
                "tool_call_finished",
                "text_chunk",
                "run_finished"
            ],
            "{name:?}"
        );
        let finished = &events[2].1;
        assert_eq!(finished["tool_name"], name);
        assert_eq!(finished["call_id"], "1\n2\u{0}");
        assert_eq!(finished["status"], "error");
        assert_eq!(events[4].1["status"], "completed");
        // It is stored, and read back as it came.
        let history = Call::get("/api/v1/messages").token(&alice.token);
        assert_eq!(world.send(history).await.status, 200);
    }
}
