//! A real server from the package index, over both transports.

use std::sync::Arc;

use nexus_core::catalog::Credential;
use nexus_core::tools::{Reach, ToolServer};
use nexus_mcp::Session;
use serde_json::{Map, Value, json};

use nexus_test_support::mcp::{AtAnAddress, World, http, stdio};

fn arguments(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// What every connection to the real server can do.
async fn uses(session: &Session) {
    let echo = session
        .tools()
        .iter()
        .find(|tool| &*tool.name == "echo")
        .unwrap();
    assert!(echo.description.contains("Echo"), "{echo:?}");
    assert_eq!(echo.parameters["type"], "object");
    let hello = session.call("echo", arguments(&json!({ "message": "hello" })));
    let sum = session.call("get-sum", arguments(&json!({ "a": 2, "b": 40 })));
    let (hello, sum) = tokio::join!(hello, sum);
    assert_eq!(hello, Ok("Echo: hello".to_owned()));
    assert!(sum.unwrap().contains("42"));
    let image = session.call("get-tiny-image", Map::new()).await.unwrap();
    assert!(
        image.contains("[an image, image/png, not shown]"),
        "{image}"
    );
    let wrong = session
        .call("get-sum", arguments(&json!({ "a": "two" })))
        .await;
    assert!(wrong.is_err(), "{wrong:?}");
    assert!(session.call("no-such-tool", Map::new()).await.is_err());
}

#[tokio::test]
async fn a_program_is_connected_once_and_used_by_everybody() {
    let world = World::new("");
    let server = stdio("everything");
    let (one, other) = tokio::join!(world.session(&server), world.session(&server));
    assert!(Arc::ptr_eq(&one, &other));
    uses(&one).await;
    world.close().await;
}

#[tokio::test]
async fn a_program_is_not_given_our_environment() {
    let world = World::new("");
    let session = world.session(&stdio("everything")).await;
    let told = session.call("get-env", Map::new()).await.unwrap();
    let told: Map<String, Value> = serde_json::from_str(&told).unwrap();
    assert_eq!(told.keys().collect::<Vec<_>>(), ["PATH"]);
    world.close().await;
}

#[tokio::test]
async fn a_server_at_an_address_is_used_the_same_way() {
    let server = AtAnAddress::start().await;
    let world = World::new("");
    uses(&*world.session(&http(&server.address)).await).await;
    world.close().await;
}

#[tokio::test]
async fn a_server_that_went_away_is_connected_again_when_it_is_back() {
    let process = AtAnAddress::start().await;
    let server = http(&process.address);
    let world = World::new("");
    let session = world.session(&server).await;
    let call = session.call(
        "trigger-long-running-operation",
        arguments(&json!({ "duration": 60, "steps": 60 })),
    );
    let stop = async {
        // The call is under way as soon as the other one has been answered.
        session
            .call("echo", arguments(&json!({ "message": "x" })))
            .await
            .unwrap();
        drop(process);
    };
    let (broken, ()) = tokio::join!(call, stop);
    assert_eq!(broken, Err("the connection to the tool broke".to_owned()));

    let Reach::Http { url, .. } = &server.reach else {
        panic!("it has an address")
    };
    let _process = AtAnAddress::start_at(url.port().unwrap()).await;
    uses(&*world.another_session(&server, &session).await).await;
    world.close().await;
}

#[tokio::test]
async fn what_cannot_be_reached_says_why() {
    let world = World::new("");
    let down = async |server| world.client.session(&server).await.unwrap_err().to_string();
    assert_eq!(
        down(http("http://127.0.0.1:9/mcp")).await,
        "nothing listens at its address"
    );
    assert_eq!(
        down(stdio("unheard-of")).await,
        "mcp_commands of the settings file has no command named unheard-of"
    );
    assert!(
        down(stdio("missing"))
            .await
            .starts_with("the command missing does not start")
    );
    let keyless = ToolServer {
        name: "keyless".into(),
        reach: Reach::Http {
            url: "https://tools.test/mcp".parse().unwrap(),
            credential: Credential::Missing {
                variable: "TOOL_KEY".into(),
            },
            header: None,
        },
        timeout: std::time::Duration::from_secs(1),
    };
    assert_eq!(
        down(Arc::new(keyless)).await,
        "it has no key: set TOOL_KEY and start Nexus again"
    );
    world.close().await;
}
