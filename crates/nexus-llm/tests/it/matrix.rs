//! One conversation with tools, through every protocol: the person sees the same, and each vendor
//! gets it in its own words.

use std::sync::Arc;

use nexus_core::catalog::Protocol;
use nexus_core::event::Usage;
use nexus_llm::{
    ChatMessage, ChatRequest, Delta, Finish, FinishReason, LlmClient, ToolCall, ToolSpec,
};
use serde_json::{Map, Value, json};

use crate::support::{KEY, ask, client, request_in};
use nexus_test_support::provider::{Act, Provider as Double, json as whole, stream};

/// What a person gets to see of one turn.
#[derive(Debug, PartialEq)]
struct Seen {
    text: String,
    reasoning: String,
    calls: Vec<ToolCall>,
    finish: Finish,
}

async fn turn(client: &LlmClient, request: &ChatRequest) -> Seen {
    let (mut text, mut reasoning, mut calls) = (String::new(), String::new(), Vec::new());
    for piece in ask(client, request.clone()).await {
        match piece.expect("a piece") {
            Delta::Text(piece) => text.push_str(&piece),
            Delta::Reasoning(piece) => reasoning.push_str(&piece),
            Delta::ToolCall(call) => calls.push(call),
            Delta::Fallback(_) | Delta::Verbatim(_) => panic!("neither was asked for"),
            Delta::Finished(finish) => {
                return Seen {
                    text,
                    reasoning,
                    calls,
                    finish,
                };
            }
        }
    }
    panic!("it did not finish");
}

fn conversation(protocol: Protocol, base_url: &str, streams: bool) -> ChatRequest {
    let mut request = request_in(protocol, base_url);
    Arc::get_mut(&mut request.model)
        .expect("the only one")
        .streams = streams;
    let weather = ToolSpec {
        name: "weather".to_owned(),
        description: "Tells the weather.".to_owned(),
        parameters: schema(),
    };
    ChatRequest {
        messages: vec![
            ChatMessage::System("You are Nova.".into()),
            ChatMessage::User("Hello.".to_owned()),
            ChatMessage::Assistant {
                text: "Hello, Ada.".to_owned(),
                reasoning: String::new(),
                tool_calls: Vec::new(),
            },
            ChatMessage::User("Oslo or Rio?".to_owned()),
        ],
        temperature: Some(0.5),
        max_tokens: Some(256),
        tools: Arc::new([weather]),
        ..request
    }
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
}

/// Adds what the model wants to know, as a run does.
fn answer_calls(request: &mut ChatRequest, seen: &Seen) {
    request.messages.push(ChatMessage::Assistant {
        text: seen.text.clone(),
        reasoning: seen.reasoning.clone(),
        tool_calls: seen.calls.clone(),
    });
    for (call, content) in seen.calls.iter().zip(["snow", "sun"]) {
        request.messages.push(ChatMessage::ToolResult {
            call_id: call.id.clone(),
            name: call.name.clone(),
            content: content.to_owned(),
        });
    }
}

/// The two turns as a vendor streams them.
fn streamed(protocol: Protocol) -> [Vec<Act>; 2] {
    let frames = match protocol {
        Protocol::OpenAi => [
            r#"{"model":"m-1","choices":[{"index":0,"delta":{"reasoning_content":"Both."}}]}
{"model":"m-1","choices":[{"index":0,"delta":{"content":"Let me look."}}]}
{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"weather","arguments":"{\"city\":"}},{"index":1,"id":"b","type":"function","function":{"name":"weather","arguments":""}}]}}]}
{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Oslo\"}"}},{"index":1,"function":{"arguments":"{\"city\":\"Rio\"}"}}]}}]}
{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}
{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":30,"total_tokens":130,"prompt_tokens_details":{"cached_tokens":40},"completion_tokens_details":{"reasoning_tokens":10}}}
[DONE]"#,
            r#"{"model":"m-1","choices":[{"index":0,"delta":{"content":"Rio: "}}]}
{"choices":[{"index":0,"delta":{"content":"sun."},"finish_reason":"stop"}]}
{"choices":[],"usage":{"prompt_tokens":140,"completion_tokens":6,"total_tokens":146,"prompt_tokens_details":{"cached_tokens":100},"completion_tokens_details":{"reasoning_tokens":0}}}
[DONE]"#,
        ],
        Protocol::Anthropic => [
            r#"{"type":"message_start","message":{"model":"m-1","content":[],"usage":{"input_tokens":50,"cache_creation_input_tokens":10,"cache_read_input_tokens":40,"output_tokens":1}}}
{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Both."}}
{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}
{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Let me look."}}
{"type":"content_block_stop","index":1}
{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"a","name":"weather","input":{}}}
{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"city\":"}}
{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\"Oslo\"}"}}
{"type":"content_block_stop","index":2}
{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"b","name":"weather","input":{}}}
{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"city\":\"Rio\"}"}}
{"type":"content_block_stop","index":3}
{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":30,"output_tokens_details":{"thinking_tokens":10}}}
{"type":"message_stop"}"#,
            r#"{"type":"message_start","message":{"model":"m-1","content":[],"usage":{"input_tokens":40,"cache_creation_input_tokens":0,"cache_read_input_tokens":100,"output_tokens":1}}}
{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
{"type":"ping"}
{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Rio: "}}
{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"sun."}}
{"type":"content_block_stop","index":0}
{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":6,"output_tokens_details":{"thinking_tokens":0}}}
{"type":"message_stop"}"#,
        ],
        Protocol::Gemini => [
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Both.","thought":true}]}}],"modelVersion":"m-1"}
{"candidates":[{"content":{"role":"model","parts":[{"text":"Let me look."}]}}],"modelVersion":"m-1"}
{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"id":"a","name":"weather","args":{"city":"Oslo"}},"thoughtSignature":"c2ln"},{"functionCall":{"id":"b","name":"weather","args":{"city":"Rio"}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":40,"candidatesTokenCount":20,"thoughtsTokenCount":10,"totalTokenCount":130},"modelVersion":"m-1"}"#,
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Rio: "}]}}],"modelVersion":"m-1"}
{"candidates":[{"content":{"role":"model","parts":[{"text":"sun."}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":140,"cachedContentTokenCount":100,"candidatesTokenCount":6,"thoughtsTokenCount":0,"totalTokenCount":146},"modelVersion":"m-1"}"#,
        ],
    };
    frames.map(|frames| {
        let events = frames.lines().map(|frame| format!("data: {frame}\n\n"));
        stream(events.collect::<Vec<_>>().iter().map(String::as_bytes))
    })
}

/// The same in one piece.
fn in_one_piece(protocol: Protocol) -> [Vec<Act>; 2] {
    let answers = match protocol {
        Protocol::OpenAi => [
            r#"{"model":"m-1","choices":[{"message":{"role":"assistant","content":"Let me look.","reasoning_content":"Both.","tool_calls":[{"id":"a","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Oslo\"}"}},{"id":"b","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Rio\"}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":100,"completion_tokens":30,"prompt_tokens_details":{"cached_tokens":40},"completion_tokens_details":{"reasoning_tokens":10}}}"#,
            r#"{"model":"m-1","choices":[{"message":{"role":"assistant","content":"Rio: sun."},"finish_reason":"stop"}],"usage":{"prompt_tokens":140,"completion_tokens":6,"prompt_tokens_details":{"cached_tokens":100},"completion_tokens_details":{"reasoning_tokens":0}}}"#,
        ],
        Protocol::Anthropic => [
            r#"{"type":"message","model":"m-1","content":[{"type":"thinking","thinking":"Both.","signature":"c2ln"},{"type":"text","text":"Let me look."},{"type":"tool_use","id":"a","name":"weather","input":{"city":"Oslo"}},{"type":"tool_use","id":"b","name":"weather","input":{"city":"Rio"}}],"stop_reason":"tool_use","usage":{"input_tokens":50,"cache_creation_input_tokens":10,"cache_read_input_tokens":40,"output_tokens":30,"output_tokens_details":{"thinking_tokens":10}}}"#,
            r#"{"type":"message","model":"m-1","content":[{"type":"text","text":"Rio: sun."}],"stop_reason":"end_turn","usage":{"input_tokens":40,"cache_creation_input_tokens":0,"cache_read_input_tokens":100,"output_tokens":6,"output_tokens_details":{"thinking_tokens":0}}}"#,
        ],
        Protocol::Gemini => [
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Both.","thought":true},{"text":"Let me look."},{"functionCall":{"id":"a","name":"weather","args":{"city":"Oslo"}},"thoughtSignature":"c2ln"},{"functionCall":{"id":"b","name":"weather","args":{"city":"Rio"}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":40,"candidatesTokenCount":20,"thoughtsTokenCount":10},"modelVersion":"m-1"}"#,
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Rio: "},{"text":"sun."}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":140,"cachedContentTokenCount":100,"candidatesTokenCount":6,"thoughtsTokenCount":0},"modelVersion":"m-1"}"#,
        ],
    };
    answers.map(whole)
}

/// What comes back, whatever the vendor, without what goes back to it alone.
fn expected() -> [Seen; 2] {
    let call = |id: &str, city: &str| ToolCall {
        id: id.to_owned(),
        name: "weather".to_owned(),
        arguments: format!(r#"{{"city":"{city}"}}"#),
        extra: Map::new(),
    };
    let finish = |reason, usage: [u64; 4]| Finish {
        reason,
        model_id: Some("m-1".into()),
        usage: Some(Usage {
            input_tokens: usage[0],
            output_tokens: usage[1],
            cached_input_tokens: Some(usage[2]),
            reasoning_tokens: Some(usage[3]),
        }),
    };
    [
        Seen {
            text: "Let me look.".to_owned(),
            reasoning: "Both.".to_owned(),
            calls: vec![call("a", "Oslo"), call("b", "Rio")],
            finish: finish(FinishReason::ToolCalls, [100, 30, 40, 10]),
        },
        Seen {
            text: "Rio: sun.".to_owned(),
            reasoning: String::new(),
            calls: Vec::new(),
            finish: finish(FinishReason::Stop, [140, 6, 100, 0]),
        },
    ]
}

/// What the vendor is sent in the second round. The first one is its beginning.
fn golden(protocol: Protocol, streams: bool) -> Value {
    match protocol {
        Protocol::OpenAi => {
            let call = |id: &str, arguments: &str| {
                json!({"id": id, "type": "function",
                    "function": {"name": "weather", "arguments": arguments}})
            };
            let mut body = json!({
                "model": "model-id",
                "messages": [
                    {"role": "system", "content": "You are Nova."},
                    {"role": "user", "content": "Hello."},
                    {"role": "assistant", "content": "Hello, Ada."},
                    {"role": "user", "content": "Oslo or Rio?"},
                    {"role": "assistant", "content": "Let me look.", "tool_calls": [
                        call("a", r#"{"city":"Oslo"}"#), call("b", r#"{"city":"Rio"}"#),
                    ]},
                    {"role": "tool", "tool_call_id": "a", "name": "weather", "content": "snow"},
                    {"role": "tool", "tool_call_id": "b", "name": "weather", "content": "sun"},
                ],
                "temperature": 0.5,
                "max_tokens": 256,
                "tools": [{"type": "function", "function": {"name": "weather",
                    "description": "Tells the weather.", "parameters": schema()}}],
                "stream": streams,
            });
            if streams {
                body["stream_options"] = json!({"include_usage": true});
            }
            body
        }
        Protocol::Anthropic => json!({
            "model": "model-id",
            "max_tokens": 256,
            "system": "You are Nova.",
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Hello."}]},
                {"role": "assistant", "content": [{"type": "text", "text": "Hello, Ada."}]},
                {"role": "user", "content": [{"type": "text", "text": "Oslo or Rio?"}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "Both.", "signature": "c2ln"},
                    {"type": "text", "text": "Let me look."},
                    {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Oslo"}},
                    {"type": "tool_use", "id": "b", "name": "weather", "input": {"city": "Rio"}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "snow"},
                    {"type": "tool_result", "tool_use_id": "b", "content": "sun"},
                ]},
            ],
            "temperature": 0.5,
            "tools": [{"name": "weather", "description": "Tells the weather.",
                "input_schema": schema()}],
            "stream": streams,
        }),
        Protocol::Gemini => json!({
            "systemInstruction": {"parts": [{"text": "You are Nova."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Hello."}]},
                {"role": "model", "parts": [{"text": "Hello, Ada."}]},
                {"role": "user", "parts": [{"text": "Oslo or Rio?"}]},
                {"role": "model", "parts": [
                    {"text": "Let me look."},
                    {"functionCall": {"id": "a", "name": "weather", "args": {"city": "Oslo"}},
                        "thoughtSignature": "c2ln"},
                    {"functionCall": {"id": "b", "name": "weather", "args": {"city": "Rio"}}},
                ]},
                {"role": "user", "parts": [
                    {"functionResponse": {"id": "a", "name": "weather",
                        "response": {"output": "snow"}}},
                    {"functionResponse": {"id": "b", "name": "weather",
                        "response": {"output": "sun"}}},
                ]},
            ],
            "tools": [{"functionDeclarations": [{"name": "weather",
                "description": "Tells the weather.", "parametersJsonSchema": schema()}]}],
            "generationConfig": {"temperature": 0.5, "maxOutputTokens": 256},
        }),
    }
}

/// The same without what the first answer added.
fn beginning(protocol: Protocol, mut body: Value) -> Value {
    let (key, length) = match protocol {
        Protocol::OpenAi => ("messages", 4),
        Protocol::Anthropic => ("messages", 3),
        Protocol::Gemini => ("contents", 3),
    };
    let messages = body[key].as_array_mut().expect("messages");
    messages.truncate(length);
    body
}

/// The header with the key, in small letters.
fn key_header(protocol: Protocol) -> String {
    match protocol {
        Protocol::OpenAi => format!("authorization: bearer {KEY}"),
        Protocol::Anthropic => format!("x-api-key: {KEY}"),
        Protocol::Gemini => format!("x-goog-api-key: {KEY}"),
    }
}

#[tokio::test]
async fn a_conversation_with_tools_is_the_same_through_every_protocol() {
    for protocol in [Protocol::OpenAi, Protocol::Anthropic, Protocol::Gemini] {
        for streams in [true, false] {
            let answers = if streams {
                streamed(protocol)
            } else {
                in_one_piece(protocol)
            };
            let double = Double::playing(answers);
            let client = client();
            let mut request = conversation(protocol, &double.base_url, streams);
            let mut first = turn(&client, &request).await;
            answer_calls(&mut request, &first);
            let second = turn(&client, &request).await;

            for call in &mut first.calls {
                call.extra.clear();
            }
            assert_eq!([first, second], expected(), "{protocol:?}");
            let golden = golden(protocol, streams);
            let received = double.received();
            assert_eq!(received[0].body, beginning(protocol, golden.clone()));
            assert_eq!(received[1].body, golden);
            for received in received {
                let head = received.head;
                let key_lines = head.matches(KEY).count();
                assert_eq!(key_lines, 1, "{head}");
                assert!(head.contains(&key_header(protocol)), "{head}");
                let has_version = head.contains("anthropic-version: 2023-06-01\r\n");
                assert_eq!(has_version, protocol == Protocol::Anthropic, "{head}");
            }
        }
    }
}

/// A fallback asks another vendor in the middle of a turn.
#[tokio::test]
async fn what_one_vendor_wants_back_does_not_go_to_another() {
    let protocols = [Protocol::OpenAi, Protocol::Anthropic, Protocol::Gemini];
    for from in protocols {
        for to in protocols.into_iter().filter(|to| *to != from) {
            let [first, _] = streamed(from);
            let [_, second] = streamed(to);
            let (here, there) = (Double::playing([first]), Double::playing([second]));
            let client = client();
            let mut request = conversation(from, &here.base_url, true);
            let seen = turn(&client, &request).await;
            answer_calls(&mut request, &seen);
            request.model = conversation(to, &there.base_url, true).model;
            assert_eq!(turn(&client, &request).await.text, "Rio: sun.");

            let sent = there.received().remove(0).body;
            assert!(
                !sent.to_string().contains("c2ln"),
                "{from:?} to {to:?}: {sent}"
            );
        }
    }
}
