//! The same runs for programs that speak OpenAI's protocol.

use http::Method;
use insta::assert_snapshot;
use nexus_core::event::Usage;
use nexus_llm::{ChatMessage, ChatRequest, Delta, LlmError};
use nexus_test_support::model::{Gate, ScriptedModel, Turn};
use serde_json::{Value, json};

use crate::client::{Answer, Call, redacted};
use crate::world::{ALICE, Setup, VISITOR, World, template};

const PATH: &str = "/v1/chat/completions";

fn call(body: &Value) -> Call {
    Call::post(PATH, body.to_string())
}

/// What a program asks that says nothing special.
fn hello() -> Value {
    json!({ "model": "nexus", "messages": [{ "role": "user", "content": "Hello?" }] })
}

fn with(more: Value) -> Value {
    let mut body = hello();
    let (Value::Object(body_fields), Value::Object(more)) = (&mut body, more) else {
        unreachable!("both are objects")
    };
    body_fields.extend(more);
    body
}

fn usage() -> Usage {
    Usage {
        input_tokens: 12,
        output_tokens: 3,
        cached_input_tokens: Some(4),
        reasoning_tokens: Some(1),
    }
}

async fn ask(world: &World, body: Value) -> Answer {
    let token = world.token(ALICE).await;
    world.send(call(&body).token(&token)).await
}

/// What the model was asked last.
fn asked(world: &World) -> std::sync::Arc<ChatRequest> {
    world.model.requests().last().unwrap().clone()
}

fn system(request: &ChatRequest) -> &str {
    match &request.messages[0] {
        ChatMessage::System(text) => text,
        other => panic!("{other:?}"),
    }
}

fn said(request: &ChatRequest) -> Vec<Value> {
    let messages = request.messages.iter().filter_map(|message| match message {
        ChatMessage::System(_) => None,
        ChatMessage::Client(message) => serde_json::to_value(&**message).ok(),
        other => Some(Value::from(format!("{other:?}"))),
    });
    messages.collect()
}

/// A world whose template has this under `clients`.
async fn ruled(model: ScriptedModel, rules: Value) -> World {
    let mut template = template();
    template["clients"] = rules;
    World::begin(Setup {
        model,
        template: Some(template),
        ..Setup::default()
    })
    .await
}

#[tokio::test]
async fn an_answer_is_a_chat_completion() {
    let turn = Turn::new()
        .reasoning("Short.")
        .text("Hel")
        .text("lo.")
        .usage(usage());
    let world = World::new(ScriptedModel::new([turn])).await;
    let answer = ask(&world, hello()).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-nexus-model"), "calm");
    assert_eq!(answer.header("x-nexus-template"), "1");
    assert!(answer.header("x-nexus-run").starts_with("run_"));
    assert_eq!(answer.header("x-ratelimit-limit-requests"), "100000");
    let name = answer.header("x-nexus-run").replace("run_", "chatcmpl-");
    assert_eq!(answer.json()["id"], name);
    assert_snapshot!(redacted(&answer.body).replace(&name, "chatcmpl-…"), @r#"{"id":"chatcmpl-…","object":"chat.completion","created":1760000000,"model":"calm","choices":[{"index":0,"message":{"role":"assistant","content":"Hello.","refusal":null,"reasoning_content":"Short."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":1}}}"#);
    let stored = [("human", "Hello?".to_owned()), ("ai", "Hello.".to_owned())];
    assert_eq!(world.stored(ALICE).await, stored);
}

#[tokio::test]
async fn a_stream_is_made_of_chunks() {
    let turn = Turn::new()
        .reasoning("Short.")
        .text("Hel")
        .text("lo.")
        .usage(usage());
    let world = World::new(ScriptedModel::new([turn])).await;
    let body = with(json!({ "stream": true, "stream_options": { "include_usage": true } }));
    let answer = ask(&world, body).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("x-nexus-model"), "calm");
    let name = answer.header("x-nexus-run").replace("run_", "chatcmpl-");
    assert_snapshot!(redacted(&answer.body).replace(&name, "chatcmpl-…"), @r#"
    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":1760000000,"model":"calm","choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":"Short."},"logprobs":null,"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":1760000000,"model":"calm","choices":[{"index":0,"delta":{"content":"Hel"},"logprobs":null,"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":1760000000,"model":"calm","choices":[{"index":0,"delta":{"content":"lo."},"logprobs":null,"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":1760000000,"model":"calm","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":1760000000,"model":"calm","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":1}}}

    data: [DONE]
    "#);
}

#[tokio::test]
async fn a_stream_without_usage_says_none() {
    let turn = Turn::new().text("Hi.").usage(usage());
    let world = World::new(ScriptedModel::new([turn])).await;
    let answer = ask(&world, with(json!({ "stream": true }))).await;
    assert!(!answer.body.contains("usage"), "{}", answer.body);
    assert!(answer.body.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn frames_of_a_provider_of_the_same_protocol_pass_as_they_came() {
    let frame = r#"{"id":"x","choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":{"content":[1.50]}}],"odd":1}"#;
    let end = "{\"choices\":[{\"index\":0,\"delta\":{},\n\"finish_reason\":\"stop\"}]}";
    let turn = || {
        Turn::new()
            .delta(Delta::Verbatim(frame.to_owned()))
            .text("Hi")
            .delta(Delta::Verbatim(end.to_owned()))
    };
    let world = World::new(ScriptedModel::new([turn()])).await;
    let answer = ask(&world, with(json!({ "stream": true, "model": "wild" }))).await;
    let lines: Vec<_> = end
        .split('\n')
        .map(|line| format!("data: {line}"))
        .collect();
    let expected = format!("data: {frame}\n\n{}\n\ndata: [DONE]\n\n", lines.join("\n"));
    assert_eq!(answer.body, expected);
    assert_eq!(answer.header("x-nexus-model"), "wild");
    assert_eq!(world.stored(ALICE).await[1], ("ai", "Hi".to_owned()));
}

#[tokio::test]
async fn a_whole_answer_passes_as_it_came_and_can_be_explained() {
    let whole = r#"{"id":"x","choices":[{"message":{"content":"Hi"}}],"odd":1}"#;
    let turn = || {
        Turn::new()
            .delta(Delta::Verbatim(whole.to_owned()))
            .text("Hi")
    };
    let world = World::new(ScriptedModel::new([turn(), turn()])).await;
    let body = with(json!({ "model": "wild" }));
    assert_eq!(ask(&world, body.clone()).await.body, whole);

    let token = world.token(ALICE).await;
    let explained = call(&body).token(&token).header("x-nexus-explain", "1");
    let answer = world.send(explained).await.json();
    assert_eq!(answer["odd"], 1);
    let fields = answer["nexus"]["explanation"].as_array().unwrap();
    let model = fields.iter().find(|field| field["field"] == "config.model");
    assert_eq!(model.unwrap()["layer"], "request");
    assert_eq!(model.unwrap()["value"], "wild");
}

#[tokio::test]
async fn a_stream_can_be_explained() {
    let world = World::new(ScriptedModel::new([Turn::new().text("Hi.")])).await;
    let token = world.token(ALICE).await;
    let body = with(json!({ "stream": true, "temperature": 0.5 }));
    let answer = world
        .send(call(&body).token(&token).header("x-nexus-explain", "1"))
        .await;
    let first = answer.body.lines().next().unwrap();
    let first: Value = serde_json::from_str(first.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(first["choices"], json!([]));
    assert_eq!(first["nexus"]["explanation"][1]["layer"], "request");
}

#[tokio::test]
async fn settings_are_brought_within_the_limits_and_the_answer_tells_it() {
    let world = World::new(ScriptedModel::new([
        Turn::new().text("a"),
        Turn::new().text("b"),
    ]))
    .await;
    // Up to 1.5; max_tokens is locked, and calm has 100.
    let body =
        with(json!({ "temperature": 1.9, "max_tokens": 5000, "max_completion_tokens": 6000 }));
    let answer = ask(&world, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let request = asked(&world);
    assert_eq!(
        (request.temperature, request.max_tokens),
        (Some(1.5), Some(100))
    );
    assert_eq!(
        answer.header("x-nexus-adjusted"),
        "config.temperature, config.max_tokens"
    );
    let answer = ask(&world, with(json!({ "temperature": 0.3 }))).await;
    assert!(!answer.headers.contains_key("x-nexus-adjusted"));
    assert_eq!(asked(&world).temperature, Some(0.3));
}

#[tokio::test]
async fn settings_out_of_policy_are_refused_where_the_template_says_so() {
    let world = ruled(
        ScriptedModel::default(),
        json!({ "out_of_policy": "refuse" }),
    )
    .await;
    for (body, param) in [
        (json!({ "temperature": 1.9 }), "temperature"),
        (json!({ "max_tokens": 50 }), "max_tokens"),
    ] {
        let answer = ask(&world, with(body)).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"]["param"], param);
    }
    assert!(world.model.requests().is_empty());
}

#[tokio::test]
async fn failures_have_the_form_and_the_status_of_the_protocol() {
    let rejected = LlmError::Rejected {
        provider: "builtin".to_owned(),
        status: 400,
        message: "too long".to_owned(),
    };
    let timed_out = LlmError::TimedOut {
        provider: "builtin".to_owned(),
        waited: std::time::Duration::from_mins(1),
    };
    let model = ScriptedModel::new([Turn::new().error(rejected), Turn::new().error(timed_out)]);
    let world = World::new(model).await;
    let token = world.token(ALICE).await;
    let stranger = world.token(VISITOR).await;
    let mut seen = Vec::new();
    for (call, token) in [
        (call(&hello()), Some("nxs_wrong")),
        (call(&hello()), None),
        (call(&hello()), Some(&*stranger)),
        (call(&with(json!({ "model": "gpt-0" }))), Some(&*token)),
        (call(&with(json!({ "n": 99 }))), Some(&*token)),
        (call(&with(json!({ "messages": [] }))), Some(&*token)),
        (call(&with(json!({ "temperature": "hot" }))), Some(&*token)),
        (
            call(&with(json!({ "service_tier": "priority" }))),
            Some(&*token),
        ),
        (call(&with(json!({ "seed": 7 }))), Some(&*token)),
        (
            call(&hello()).header("x-nexus-history", "mine"),
            Some(&*token),
        ),
        (call(&hello()), Some(&*token)),
        (call(&hello()), Some(&*token)),
        (Call::post(PATH, "{"), Some(&*token)),
        (Call::get("/v1/engines"), Some(&*token)),
        (Call::get(PATH), Some(&*token)),
    ] {
        let call = match token {
            Some(token) => call.token(token),
            None => call,
        };
        let answer = world.send(call).await;
        let error = &answer.json()["error"];
        let text = |key: &str| error[key].as_str().unwrap_or("-").to_owned();
        seen.push(format!(
            "{} {} {} {}",
            answer.status,
            text("type"),
            text("code"),
            text("param")
        ));
        assert!(!text("message").is_empty());
    }
    assert_snapshot!(seen.join("\n"), @r"
    401 authentication_error invalid_api_key -
    401 authentication_error invalid_api_key -
    403 permission_error not_a_member -
    404 invalid_request_error model_not_found model
    400 invalid_request_error invalid_parameter n
    400 invalid_request_error wrong_type messages
    400 invalid_request_error wrong_type temperature
    400 invalid_request_error unsupported_parameter service_tier
    400 invalid_request_error unsupported_parameter seed
    400 invalid_request_error invalid_header x-nexus-history
    400 invalid_request_error provider_rejected -
    504 server_error provider_timed_out -
    400 invalid_request_error malformed_json -
    404 invalid_request_error not_found -
    405 invalid_request_error method_not_allowed -
    ");
}

#[tokio::test]
async fn a_failure_in_the_middle_ends_a_stream_and_spoils_a_whole_answer() {
    let broken = || LlmError::Interrupted {
        provider: "builtin".to_owned(),
        reason: "it hung up".to_owned(),
    };
    let turn = || Turn::new().text("Half").error(broken());
    let world = World::new(ScriptedModel::new([turn(), turn()])).await;
    let streamed = ask(&world, with(json!({ "stream": true }))).await;
    assert_eq!(streamed.status, 200);
    let frames: Vec<_> = streamed.body.split_terminator("\n\n").collect();
    assert!(frames[0].contains("Half"));
    assert!(
        frames[1].starts_with(r#"data: {"error":{"message":"#),
        "{}",
        frames[1]
    );
    assert_eq!(frames[2..], ["data: [DONE]"]);
    let whole = ask(&world, hello()).await;
    assert_eq!(whole.status, 502, "{}", whole.body);
    // What was paid for is kept.
    assert_eq!(world.stored(ALICE).await[1], ("ai", "Half".to_owned()));
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let mut template = template();
    template["limits"]["identity"]["requests_per_minute"] = json!(1);
    let world = World::begin(Setup {
        model: ScriptedModel::new([Turn::new().text("Hi.")]),
        template: Some(template),
        ..Setup::default()
    })
    .await;
    assert_eq!(ask(&world, hello()).await.status, 200);
    let answer = ask(&world, hello()).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.json()["error"]["code"], "rate_limit_exceeded");
    assert!(answer.header("retry-after").parse::<u64>().is_ok());
}

#[tokio::test]
async fn a_model_goes_by_its_key_alias_or_id_and_another_one_never_answers() {
    let turns = ["a", "b", "c", "d"].map(|text| Turn::new().text(text));
    let world = World::new(ScriptedModel::new(turns)).await;
    for (name, used) in [
        ("auto", "calm"),
        ("Calm", "calm"),
        ("wild", "wild"),
        ("wild-1", "wild"),
    ] {
        let answer = ask(&world, with(json!({ "model": name }))).await;
        assert_eq!(answer.header("x-nexus-model"), used);
    }
    let mut locked = template();
    locked["ui"]["editable_fields"] = json!([]);
    let world = World::begin(Setup {
        model: ScriptedModel::new([Turn::new().text("a")]),
        template: Some(locked),
        ..Setup::default()
    })
    .await;
    // The one that is in force may be named also where nobody may choose.
    assert_eq!(
        ask(&world, with(json!({ "model": "calm" }))).await.status,
        200
    );
    let answer = ask(&world, with(json!({ "model": "wild" }))).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(answer.json()["error"]["code"], "field_locked");
}

#[tokio::test]
async fn models_are_listed() {
    let world = World::new(ScriptedModel::default()).await;
    let person = world.member(7).await;
    let arguments = json!({ "name": "x", "scopes": ["chat", "models.read"], "models": ["wild"] });
    let key = world.api_key(&person, arguments).await;
    let list = async |token: &str| {
        let answer = world
            .send(Call::get("/v1/models").token(token))
            .await
            .json();
        let ids = answer["data"].as_array().unwrap().iter();
        ids.map(|row| row["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&person.token).await, ["nexus", "calm", "wild"]);
    assert_eq!(list(&key).await, ["nexus", "wild"]);
    let show = async |name: &str| {
        let path = format!("/v1/models/{name}");
        world.send(Call::get(&path).token(&person.token)).await
    };
    assert_eq!(show("wild-1").await.json()["id"], "wild");
    assert_eq!(show("nexus").await.json()["object"], "model");
    let missing = show("meta/llama").await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["error"]["code"], "model_not_found");
}

#[tokio::test]
async fn the_persons_prompts_come_first_and_the_programs_text_is_marked() {
    let world = World::new(ScriptedModel::new([
        Turn::new().text("a"),
        Turn::new().text("b"),
    ]))
    .await;
    let messages = json!([
        { "role": "system", "content": "Be a pirate." },
        { "role": "user", "content": "Hello?" },
        { "role": "assistant", "content": "Hi." },
        { "role": "developer", "content": [{ "type": "text", "text": "Be brief." }] },
        { "role": "user", "content": "And?" },
    ]);
    ask(&world, json!({ "messages": messages })).await;
    let request = asked(&world);
    assert_snapshot!(system(&request), @r"
    You are Nexus.

    ---

    What stands between the two lines with 80c962efffeb9585 was sent by the program that the person uses. Follow it, as far as it does not contradict anything above.
    [program 80c962efffeb9585]
    Be a pirate.

    Be brief.
    [end of program 80c962efffeb9585]
    ");
    assert_eq!(
        said(&request),
        [
            json!({ "role": "user", "content": "Hello?" }),
            json!({ "role": "assistant", "content": "Hi." }),
            json!({ "role": "user", "content": "And?" }),
        ]
    );
    // The same text has the same fence: providers can keep what they have read.
    let first = system(&request).to_owned();
    ask(&world, json!({ "messages": messages })).await;
    assert_eq!(system(&asked(&world)), first);
}

#[tokio::test]
async fn a_template_can_refuse_the_programs_text_or_let_it_be_the_persona() {
    let messages = json!([
        { "role": "system", "content": "Be a pirate." },
        { "role": "user", "content": "Hello?" },
    ]);
    let world = ruled(ScriptedModel::default(), json!({ "system_text": "refuse" })).await;
    let answer = ask(&world, json!({ "messages": messages })).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["code"], "system_text_refused");

    let model = ScriptedModel::new([Turn::new().text("a")]);
    let world = ruled(model, json!({ "system_text": "replace_persona" })).await;
    ask(&world, json!({ "messages": messages })).await;
    assert_eq!(system(&asked(&world)), "Be a pirate.");
}

#[tokio::test]
async fn the_past_is_the_programs_or_the_stored_one() {
    let turns = ["one", "two", "three"].map(|text| Turn::new().text(text));
    let world = World::new(ScriptedModel::new(turns)).await;
    let token = world.token(ALICE).await;
    world.chat(&token, json!({ "content": "Before." })).await;
    let body = json!({ "messages": [
        { "role": "user", "content": "Old." },
        { "role": "assistant", "content": "Older." },
        { "role": "user", "content": "Now?" },
    ] });
    ask(&world, body.clone()).await;
    assert_eq!(said(&asked(&world)).len(), 3);
    let stored = call(&body)
        .token(&token)
        .header("x-nexus-history", "server");
    assert_eq!(world.send(stored).await.status, 200);
    let request = asked(&world);
    assert_eq!(
        said(&request),
        [
            json!("User(\"Before.\")"),
            json!("Assistant { text: \"one\", reasoning: \"\", tool_calls: [] }"),
            json!("User(\"Now?\")"),
            json!("Assistant { text: \"two\", reasoning: \"\", tool_calls: [] }"),
            json!({ "role": "user", "content": "Now?" }),
        ]
    );
}

#[tokio::test]
async fn an_exchange_is_stored_unless_program_or_template_say_no() {
    let turns = || ScriptedModel::new([Turn::new().text("a"), Turn::new().text("b")]);
    let world = World::new(turns()).await;
    let answer = ask(&world, with(json!({ "store": false }))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(world.stored(ALICE).await, []);
    let world = ruled(turns(), json!({ "store": false })).await;
    ask(&world, with(json!({ "store": true }))).await;
    assert_eq!(world.stored(ALICE).await, []);
    // What it cost is counted all the same.
    let token = world.token(ALICE).await;
    let usage = world.send(Call::get("/api/v1/usage").token(&token)).await;
    assert_eq!(usage.json()["total"]["runs"], 1, "{}", usage.body);
}

#[tokio::test]
async fn tools_of_the_program_go_back_to_it() {
    let turn = || {
        Turn::new()
            .text("Let me see.")
            .tool_call("call_1", "clock", "{\"zone\":\"UTC\"}")
    };
    let world = World::new(ScriptedModel::new([
        turn(),
        turn(),
        Turn::new().text("Noon."),
    ]))
    .await;
    let tools = json!([{ "type": "function", "function": { "name": "clock", "parameters": { "type": "object" } } }]);
    let body = with(json!({ "tools": tools, "tool_choice": "auto" }));
    let answer = ask(&world, body.clone()).await.json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], "Let me see.");
    let calls = &choice["message"]["tool_calls"];
    let function = json!({ "name": "clock", "arguments": "{\"zone\":\"UTC\"}" });
    assert_eq!(
        *calls,
        json!([{ "id": "call_1", "type": "function", "function": function }])
    );
    assert_eq!(asked(&world).tools[0].name, "clock");

    let streamed = ask(&world, with(json!({ "tools": tools, "stream": true }))).await;
    assert!(
        streamed
            .body
            .contains(r#""tool_calls":[{"index":0,"id":"call_1""#)
    );
    assert!(streamed.body.contains(r#""finish_reason":"tool_calls""#));

    let mut messages = body["messages"].as_array().unwrap().clone();
    messages.push(choice["message"].clone());
    messages.push(json!({ "role": "tool", "tool_call_id": "call_1", "content": "12:00" }));
    let answer = ask(&world, json!({ "messages": messages, "tools": tools }))
        .await
        .json();
    assert_eq!(answer["choices"][0]["message"]["content"], "Noon.");
    let request = asked(&world);
    let last = request.messages.last().unwrap();
    let ChatMessage::ToolResult { name, content, .. } = last.plain() else {
        panic!("{last:?}")
    };
    assert_eq!((&**name, &**content), ("clock", "12:00"));
}

#[tokio::test]
async fn what_another_protocol_cannot_say_is_refused_and_an_openai_provider_gets_it_unchanged() {
    let world = World::new(ScriptedModel::new([Turn::new().text("a")])).await;
    let fields = json!({
        "seed": 7, "stop": ["x"], "logprobs": true, "n": 2, "logit_bias": { "50256": -100 },
        "response_format": { "type": "json_schema", "json_schema": { "name": "x", "schema": {} } },
    });
    let answer = ask(&world, with(fields.clone())).await;
    assert_eq!(answer.json()["error"]["code"], "unsupported_parameter");
    let mut body = with(fields.clone());
    body["model"] = "wild".into();
    body["user"] = "somebody else".into();
    assert_eq!(ask(&world, body).await.status, 200);
    let form = asked(&world).client.clone().unwrap();
    assert_eq!(Value::Object(form.fields.clone()), fields);
}

#[tokio::test]
async fn the_template_decides_which_fields_pass() {
    let model = || ScriptedModel::new([Turn::new().text("a")]);
    let rules = json!({ "fields": ["thinking"], "other_fields": "ignore" });
    let world = ruled(model(), rules).await;
    let body = with(json!({ "model": "wild", "thinking": { "type": "on" }, "seed": 7 }));
    assert_eq!(ask(&world, body).await.status, 200);
    let form = asked(&world).client.clone().unwrap();
    assert_eq!(
        Value::Object(form.fields.clone()),
        json!({ "thinking": { "type": "on" } })
    );
}

#[tokio::test]
async fn images_and_odd_characters_reach_the_provider_and_the_stored_question_is_readable() {
    let world = World::new(ScriptedModel::new([Turn::new().text("a")])).await;
    let content = json!([
        { "type": "text", "text": "What is \u{1b}[31mthis?" },
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,aGk=", "detail": "low" } },
    ]);
    let message = json!({ "role": "user", "content": content });
    let answer = ask(&world, json!({ "messages": [message] })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(said(&asked(&world)), [message]);
    assert_eq!(
        world.stored(ALICE).await[0],
        ("human", "What is \u{FFFD}[31mthis?\n[image]".to_owned())
    );
}

#[tokio::test]
async fn a_conversation_may_be_long() {
    let world = World::new(ScriptedModel::new([Turn::new().text("a")])).await;
    let long = "x".repeat(900 * 1024);
    let body = json!({ "messages": [
        { "role": "user", "content": long },
        { "role": "assistant", "content": "I see." },
        { "role": "user", "content": "And?" },
    ] });
    assert_eq!(ask(&world, body).await.status, 200);
    let token = world.token(ALICE).await;
    let too_long = call(&json!({ "messages": "x".repeat(16 * 1024 * 1024) }));
    let answer = world.drive(too_long.token(&token)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["error"]["code"], "body_too_large");
}

#[tokio::test]
async fn a_program_that_leaves_stops_the_model() {
    let gate = Gate::new();
    let turn = Turn::new().text("first").wait(&gate).text("second");
    let world = World::new(ScriptedModel::new([turn])).await;
    let token = world.token(ALICE).await;
    let mut client = world.client().await;
    let body = with(json!({ "stream": true }));
    let answer = client.open(call(&body).token(&token)).await;
    assert_eq!(answer.status(), 200);
    gate.reached().await;
    drop(answer);
    client.leave().await;
    while world.model.abandoned() == 0 {
        tokio::task::yield_now().await;
    }
    world.settle().await;
    // What had come is kept, and marked.
    assert_eq!(world.stored(ALICE).await[1], ("ai", "first".to_owned()));
}

#[tokio::test]
async fn an_api_key_that_may_not_chat_is_refused_in_the_form_of_the_protocol() {
    let world = World::new(ScriptedModel::default()).await;
    let person = world.member(7).await;
    let key = world
        .api_key(&person, json!({ "name": "x", "scopes": ["models.read"] }))
        .await;
    let answer = world.send(call(&hello()).token(&key)).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["error"]["type"], "permission_error");
    let listed = world
        .send(Call::new(&Method::GET, "/v1/models").token(&key))
        .await;
    assert_eq!(listed.status, 200);
}
