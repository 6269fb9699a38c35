//! The tool loop: what the model is told, and what stops it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use nexus_core::event::{RunEvent, RunStatus, ToolStatus, Usage};
use nexus_llm::scripted::{ScriptedModel, Turn};
use nexus_llm::{ChatMessage, ToolSpec};
use nexus_run::{RunContext, Tool};
use serde_json::{Map, Value, json};

use crate::world::{ALICE, World, finished};

/// Counts its calls.
#[derive(Default)]
pub(crate) struct Counter(AtomicU32);

impl Counter {
    pub(crate) fn shared() -> Arc<dyn Tool> {
        Arc::new(Self::default())
    }
}

#[async_trait]
impl Tool for Counter {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "count".into(),
            description: "Counts its calls.".into(),
            parameters: json!({ "type": "object" }),
        }
    }

    async fn call(&self, _: &RunContext, arguments: Map<String, Value>) -> Result<String, String> {
        if arguments.contains_key("fail") {
            return Err("told to fail".into());
        }
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        let padding = arguments.get("pad").and_then(Value::as_str).unwrap_or("");
        Ok(format!("{number}{padding}"))
    }
}

/// Never answers.
struct Silent;

#[async_trait]
impl Tool for Silent {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "silent".into(),
            description: "Says nothing.".into(),
            parameters: json!({}),
        }
    }

    async fn call(&self, _: &RunContext, _: Map<String, Value>) -> Result<String, String> {
        std::future::pending().await
    }
}

fn results(world: &World, request: usize) -> Vec<String> {
    let messages = world.model.requests()[request].messages.clone();
    let texts = messages.into_iter().filter_map(|message| match message {
        ChatMessage::ToolResult { content, .. } => Some(content),
        _ => None,
    });
    texts.collect()
}

#[tokio::test]
async fn what_goes_wrong_with_a_tool_is_told_to_the_model() {
    let turn = Turn::new()
        .tool_call("1", "count", "{}")
        .tool_call("2", "count", r#"{"fail":true}"#)
        .tool_call("3", "nobody", "{}")
        .tool_call("4", "count", "{broken")
        .tool_call("5", "count", "");
    let world = World::with_tools(
        ScriptedModel::new([turn, Turn::new().text("Done.")]),
        vec![Counter::shared()],
    )
    .await;
    let events = world.ask(ALICE, "Go").await;
    assert_eq!(finished(&events).status, RunStatus::Completed);
    let told = results(&world, 1);
    assert_eq!(told[0], "1");
    assert_eq!(told[1], "error: told to fail");
    assert_eq!(told[2], "error: there is no tool named \"nobody\"");
    assert!(told[3].starts_with("error: the arguments are not a JSON object"));
    assert_eq!(told[4], "2");
    let statuses: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            RunEvent::ToolCallFinished { status, .. } => Some(*status),
            _ => None,
        })
        .collect();
    assert_eq!(
        statuses,
        [
            ToolStatus::Success,
            ToolStatus::Error,
            ToolStatus::Error,
            ToolStatus::Error,
            ToolStatus::Success
        ]
    );
    let roles: Vec<_> = world
        .stored(ALICE)
        .await
        .into_iter()
        .map(|(role, _)| role)
        .collect();
    assert_eq!(
        roles,
        ["human", "ai", "tool", "tool", "tool", "tool", "tool", "ai"]
    );
}

#[tokio::test]
async fn a_model_that_always_wants_tools_is_stopped() {
    let turns = (0..10).map(|_| {
        Turn::new().tool_call("1", "count", "{}").usage(Usage {
            input_tokens: 10,
            output_tokens: 1,
            ..Usage::default()
        })
    });
    let world = World::with_tools(ScriptedModel::new(turns), vec![Counter::shared()]).await;
    let events = world.ask(ALICE, "Go").await;
    assert_eq!(finished(&events).status, RunStatus::ToolLimit);
    // `max_tool_iterations` is 3: three rounds of tools, and the request after the third.
    assert_eq!(world.model.requests().len(), 4);
    assert_eq!(
        finished(&events).usage,
        Some(Usage {
            input_tokens: 40,
            output_tokens: 4,
            ..Usage::default()
        })
    );
}

#[tokio::test]
async fn a_storm_of_calls_and_a_long_result_are_cut() {
    let arguments = json!({ "pad": "!".repeat(20_000) }).to_string();
    let storm = (0..12).fold(Turn::new(), |turn, number| {
        turn.tool_call(&number.to_string(), "count", &arguments)
    });
    let world = World::with_tools(
        ScriptedModel::new([storm, Turn::new().text("Done.")]),
        vec![Counter::shared()],
    )
    .await;
    world.ask(ALICE, "Go").await;
    let told = results(&world, 1);
    assert_eq!(told.len(), 12);
    assert!(told[0].ends_with("\n[shortened]") && told[0].len() < 17_000);
    assert_eq!(told[8], "error: not called: at most 8 calls in one turn");
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_never_answers_is_given_up() {
    let world = World::with_tools(
        ScriptedModel::new([
            Turn::new().tool_call("1", "silent", "{}"),
            Turn::new().text("Done."),
        ]),
        vec![Arc::new(Silent)],
    )
    .await;
    let events = world.ask(ALICE, "Go").await;
    assert_eq!(finished(&events).status, RunStatus::Completed);
    assert_eq!(results(&world, 1), ["error: no answer within 30 seconds"]);
}
