//! A whole run with a real tool server from the package index, over both transports.

use std::sync::Arc;

use nexus_core::event::{RunEvent, RunStatus, ToolStatus};
use nexus_llm::ChatMessage;
use nexus_run::McpTools;
use nexus_test_support::mcp::{AtAnAddress, World as Servers};
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::{Value, json};

use crate::world::{ALICE, World, answer, finished, template};

const PERSONA: &str = "You are a pirate.\n\n---\n\nBe honest.";

/// A template with the real server, reached in some way.
fn with_server(reach: &Value) -> Value {
    let mut template = template();
    template["tools"] = json!({ "mcp": { "real": reach } });
    template
}

async fn a_run_uses_its_tools(reach: Value) {
    let model = ScriptedModel::new([
        Turn::new().text("Ahoy, Ada."),
        Turn::new()
            .text("Let me see. ")
            .tool_call("1", "real__get-sum", r#"{"a":2,"b":40}"#)
            .tool_call("2", "real__echo", r#"{"message":"aye"}"#),
        Turn::new().tool_call("3", "real__get-sum", r#"{"a":"two"}"#),
        Turn::new().text("It is 42."),
    ]);
    let servers = Servers::new("");
    let tools = Arc::new(McpTools::new(servers.client.clone()));
    let world = World::with_servers(model, tools, with_server(&reach)).await;
    world
        .set(ALICE, "prompts.persona", json!("You are a pirate."))
        .await;
    world.ask(ALICE, "I am Ada.").await;
    let events = world.ask(ALICE, "What is 2 + 40?").await;
    assert_eq!(finished(&events).status, RunStatus::Completed, "{events:?}");
    assert_eq!(answer(&events), "Let me see. It is 42.");

    let results = events.iter().filter_map(|event| match event {
        RunEvent::ToolCallFinished {
            call_id,
            status,
            result,
            ..
        } => Some((call_id.as_str(), *status, result.as_str())),
        _ => None,
    });
    let results: Vec<_> = results.collect();
    assert_eq!(results.len(), 3);
    assert_eq!((results[0].0, results[0].1), ("1", ToolStatus::Success));
    assert!(results[0].2.contains("42"), "{results:?}");
    assert_eq!(results[1], ("2", ToolStatus::Success, "Echo: aye"));
    assert_eq!((results[2].0, results[2].1), ("3", ToolStatus::Error));

    let stored = world.stored(ALICE).await;
    let roles: Vec<_> = stored.iter().map(|(role, _)| *role).collect();
    let expected = [
        "human", "ai", "human", "ai", "tool", "tool", "ai", "tool", "ai",
    ];
    assert_eq!(roles, expected);
    assert_eq!(stored[5].1, "Echo: aye");
    assert!(stored[4].1.contains("42"), "{stored:?}");

    // Persona, memory and tools are the same in every round, and each round knows more.
    let requests = world.model.requests();
    assert_eq!(requests.len(), 4);
    for request in &requests[1..] {
        assert!(request.tools.iter().any(|tool| tool.name == "real__echo"));
        let begins = [
            ChatMessage::System(PERSONA.into()),
            ChatMessage::User("I am Ada.".into()),
            ChatMessage::Assistant {
                text: "Ahoy, Ada.".into(),
                reasoning: String::new(),
                tool_calls: Vec::new(),
            },
            ChatMessage::User("What is 2 + 40?".into()),
        ];
        assert_eq!(request.messages[..4], begins);
    }
    let lengths = requests[1..].iter().map(|request| request.messages.len());
    assert_eq!(lengths.collect::<Vec<_>>(), [4, 7, 9]);
    servers.close().await;
}

#[tokio::test]
async fn a_run_uses_the_tools_of_a_program() {
    a_run_uses_its_tools(json!({ "stdio": "everything" })).await;
}

#[tokio::test]
async fn a_run_uses_the_tools_of_a_server_at_an_address() {
    let server = AtAnAddress::start().await;
    a_run_uses_its_tools(json!({ "url": server.address })).await;
}
