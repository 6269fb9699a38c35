//! The newer interface of OpenAI's protocol, over the same runs.

use insta::assert_snapshot;
use nexus_core::event::Usage;
use nexus_llm::{ChatMessage, LlmError};
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::{Value, json};

use crate::client::{Answer, Call, redacted};
use crate::world::{ALICE, World};

async fn ask(world: &World, body: Value) -> Answer {
    let token = world.token(ALICE).await;
    let call = Call::post("/v1/responses", body.to_string());
    world.send(call.token(&token)).await
}

/// Without what is new in every run.
fn steady(answer: &Answer) -> String {
    let name = answer.header("x-nexus-run").trim_start_matches("run_");
    redacted(&answer.body.replace(name, "…"))
}

fn usage() -> Usage {
    Usage {
        input_tokens: 12,
        output_tokens: 3,
        ..Usage::default()
    }
}

#[tokio::test]
async fn an_answer_is_a_response() {
    let turn = Turn::new()
        .reasoning("Short.")
        .text("Hel")
        .text("lo.")
        .usage(usage());
    let world = World::new(ScriptedModel::new([turn])).await;
    let answer = ask(
        &world,
        json!({ "input": "Hello?", "instructions": "Be a pirate." }),
    )
    .await;
    assert_eq!(answer.header("x-nexus-model"), "calm");
    assert_snapshot!(steady(&answer), @r#"{"id":"resp_…","object":"response","created_at":1760000000,"status":"completed","error":null,"incomplete_details":null,"instructions":null,"metadata":{},"model":"calm","output":[{"type":"message","id":"msg_…_0","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello.","annotations":[],"logprobs":[]}]}],"parallel_tool_calls":true,"temperature":null,"tool_choice":"auto","tools":[],"top_p":null,"usage":{"input_tokens":12,"input_tokens_details":{"cached_tokens":0},"output_tokens":3,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":15}}"#);
    let request = &world.model.requests()[0];
    let ChatMessage::System(system) = &request.messages[0] else {
        panic!("{:?}", request.messages)
    };
    assert!(system.starts_with("You are Nexus.\n") && system.contains("\nBe a pirate.\n"));
    assert_eq!(world.stored(ALICE).await[0], ("human", "Hello?".to_owned()));
}

#[tokio::test]
async fn a_stream_is_made_of_numbered_events() {
    let turn = Turn::new()
        .text("Hi.")
        .tool_call("call_1", "clock", "{}")
        .usage(usage());
    let world = World::new(ScriptedModel::new([turn])).await;
    let tools =
        json!([{ "type": "function", "name": "clock", "parameters": { "type": "object" } }]);
    let answer = ask(
        &world,
        json!({ "input": "Hello?", "stream": true, "tools": tools }),
    )
    .await;
    assert_snapshot!(steady(&answer), @r#"
    event: response.created
    data: {"response":{"id":"resp_…","object":"response","created_at":1760000000,"status":"in_progress","error":null,"incomplete_details":null,"instructions":null,"metadata":{},"model":"calm","output":[],"parallel_tool_calls":true,"temperature":null,"tool_choice":"auto","tools":[],"top_p":null,"usage":null},"type":"response.created","sequence_number":0}

    event: response.in_progress
    data: {"response":{"id":"resp_…","object":"response","created_at":1760000000,"status":"in_progress","error":null,"incomplete_details":null,"instructions":null,"metadata":{},"model":"calm","output":[],"parallel_tool_calls":true,"temperature":null,"tool_choice":"auto","tools":[],"top_p":null,"usage":null},"type":"response.in_progress","sequence_number":1}

    event: response.output_item.added
    data: {"output_index":0,"item":{"type":"message","id":"msg_…_0","status":"in_progress","role":"assistant","content":[]},"type":"response.output_item.added","sequence_number":2}

    event: response.content_part.added
    data: {"item_id":"msg_…_0","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]},"type":"response.content_part.added","sequence_number":3}

    event: response.output_text.delta
    data: {"item_id":"msg_…_0","output_index":0,"content_index":0,"delta":"Hi.","logprobs":[],"type":"response.output_text.delta","sequence_number":4}

    event: response.output_text.done
    data: {"item_id":"msg_…_0","output_index":0,"content_index":0,"text":"Hi.","logprobs":[],"type":"response.output_text.done","sequence_number":5}

    event: response.content_part.done
    data: {"item_id":"msg_…_0","output_index":0,"content_index":0,"part":{"type":"output_text","text":"Hi.","annotations":[],"logprobs":[]},"type":"response.content_part.done","sequence_number":6}

    event: response.output_item.done
    data: {"output_index":0,"item":{"type":"message","id":"msg_…_0","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi.","annotations":[],"logprobs":[]}]},"type":"response.output_item.done","sequence_number":7}

    event: response.output_item.added
    data: {"output_index":1,"item":{"type":"function_call","id":"fc_…_1","status":"in_progress","call_id":"call_1","name":"clock","arguments":""},"type":"response.output_item.added","sequence_number":8}

    event: response.function_call_arguments.delta
    data: {"item_id":"fc_…_1","output_index":1,"delta":"{}","type":"response.function_call_arguments.delta","sequence_number":9}

    event: response.function_call_arguments.done
    data: {"item_id":"fc_…_1","output_index":1,"arguments":"{}","type":"response.function_call_arguments.done","sequence_number":10}

    event: response.output_item.done
    data: {"output_index":1,"item":{"type":"function_call","id":"fc_…_1","status":"completed","call_id":"call_1","name":"clock","arguments":"{}"},"type":"response.output_item.done","sequence_number":11}

    event: response.completed
    data: {"response":{"id":"resp_…","object":"response","created_at":1760000000,"status":"completed","error":null,"incomplete_details":null,"instructions":null,"metadata":{},"model":"calm","output":[{"type":"message","id":"msg_…_0","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi.","annotations":[],"logprobs":[]}]},{"type":"function_call","id":"fc_…_1","status":"completed","call_id":"call_1","name":"clock","arguments":"{}"}],"parallel_tool_calls":true,"temperature":null,"tool_choice":"auto","tools":[],"top_p":null,"usage":{"input_tokens":12,"input_tokens_details":{"cached_tokens":0},"output_tokens":3,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":15}},"type":"response.completed","sequence_number":12}
    "#);
}

#[tokio::test]
async fn what_was_called_and_what_came_of_it_is_part_of_the_input() {
    let world = World::new(ScriptedModel::new([Turn::new().text("Noon.")])).await;
    let input = json!([
        { "role": "user", "content": [
            { "type": "input_text", "text": "What time is it?" },
            { "type": "input_image", "image_url": "https://x.test/a.png", "detail": "low" },
        ] },
        { "type": "reasoning", "id": "rs_1", "summary": [] },
        { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "Let me see." }] },
        { "type": "function_call", "call_id": "call_1", "name": "clock", "arguments": "{}" },
        { "type": "function_call_output", "call_id": "call_1", "output": "12:00" },
    ]);
    let body = json!({
        "input": input, "max_output_tokens": 50, "temperature": 0.5, "truncation": "disabled", "include": [],
        "tools": [{ "type": "function", "name": "clock" }],
        "tool_choice": { "type": "function", "name": "clock" },
    });
    let answer = ask(&world, body).await;
    assert_eq!(
        answer.json()["output"][0]["content"][0]["text"],
        "Noon.",
        "{}",
        answer.body
    );
    let request = &world.model.requests()[0];
    assert_eq!(request.temperature, Some(0.5));
    let forms = request.messages.iter().filter_map(|message| match message {
        ChatMessage::Client(message) => serde_json::to_value(&**message).ok(),
        _ => None,
    });
    assert_snapshot!(serde_json::to_string_pretty(&forms.collect::<Vec<_>>()).unwrap(), @r#"
    [
      {
        "role": "user",
        "content": [
          {
            "type": "text",
            "text": "What time is it?"
          },
          {
            "type": "image_url",
            "image_url": {
              "url": "https://x.test/a.png",
              "detail": "low"
            }
          }
        ]
      },
      {
        "role": "assistant",
        "content": [
          {
            "type": "text",
            "text": "Let me see."
          }
        ],
        "tool_calls": [
          {
            "id": "call_1",
            "type": "function",
            "function": {
              "name": "clock",
              "arguments": "{}"
            }
          }
        ]
      },
      {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": "12:00"
      }
    ]
    "#);
}

#[tokio::test]
async fn what_chat_completions_say_otherwise_is_said_so() {
    let world = World::new(ScriptedModel::new([Turn::new().text("{}")])).await;
    let body = json!({
        "model": "wild", "input": "Hello?", "reasoning": { "effort": "low", "summary": "auto" },
        "text": { "format": { "type": "json_schema", "name": "x", "schema": {}, "strict": true }, "verbosity": "low" },
    });
    assert_eq!(ask(&world, body).await.status, 200);
    let form = world.model.requests()[0].client.clone().unwrap();
    let expected = json!({
        "verbosity": "low",
        "response_format": {
            "type": "json_schema", "json_schema": { "name": "x", "schema": {}, "strict": true },
        },
        "reasoning_effort": "low",
    });
    assert_eq!(Value::Object(form.fields.clone()), expected);
}

#[tokio::test]
async fn what_is_not_there_is_refused() {
    let world = World::new(ScriptedModel::default()).await;
    for (body, param) in [
        (
            json!({ "input": "x", "previous_response_id": "resp_1" }),
            "previous_response_id",
        ),
        (json!({ "input": "x", "background": true }), "background"),
        (
            json!({ "input": "x", "tools": [{ "type": "web_search" }] }),
            "tools[0].type",
        ),
        (
            json!({ "input": [{ "type": "item_reference" }] }),
            "input[0].type",
        ),
        (json!({ "input": 7 }), "input"),
        (json!({}), "input"),
    ] {
        let answer = ask(&world, body).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.json()["error"]["param"], param);
    }
}

#[tokio::test]
async fn a_failure_in_the_middle_is_the_last_event() {
    let broken = LlmError::Interrupted {
        provider: "builtin".to_owned(),
        reason: "it hung up".to_owned(),
    };
    let world = World::new(ScriptedModel::new([Turn::new().text("Half").error(broken)])).await;
    let answer = ask(&world, json!({ "input": "x", "stream": true })).await;
    let last = answer.body.trim_end().rsplit("\n\n").next().unwrap();
    let (name, data) = last.split_once("\ndata: ").unwrap();
    assert_eq!(name, "event: response.failed");
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["response"]["error"]["code"], "provider_interrupted");
    assert_eq!(data["response"]["output"][0]["content"][0]["text"], "Half");
}
