//! The clients that people use. They play their scenes at a provider alone, and then through Nexus:
//! they must see the same.

mod play;

use std::process::Command;

use serde_json::{Map, Value, json};

pub(crate) use self::play::installed;
use self::play::{Client, World, run};
use crate::program::repository;
use crate::scripted;

/// The scenes of the official packages that look the same everywhere. The last one comes last, as
/// Nexus leaves a provider alone that is down.
const SCENES: [&str; 21] = [
    "chat",
    "stream",
    "stream_with_usage",
    "tools",
    "tools_stream",
    "structured",
    "choices",
    "image",
    "models",
    "wrong_key",
    "wrong_key_chat",
    "unknown_model",
    "no_messages",
    "bad_parameter",
    "fails_once",
    "fails_once_stream",
    "busy_once",
    "breaks",
    "cancel",
    "headers",
    "down",
];

/// What the provider answers to most questions, and after its tools were called.
const HELLO: &str = "Hello from the lab.";
const WEATHER: &str = "There is rain in Paris and rain in Rome.";

/// What the official packages see, whoever serves them.
fn expected() -> Value {
    let refused = |class: &str, status: u16| json!({"class": class, "status": status});
    json!({
        "chat": {
            "object": "chat.completion", "role": "assistant", "text": HELLO, "finish": "stop",
            "tokens": 16
        },
        "stream": {"text": HELLO, "pieces": 4, "finish": "stop", "tokens": null, "ids": 1},
        "stream_with_usage": {"text": HELLO, "pieces": 4, "finish": "stop", "tokens": 16, "ids": 1},
        "tools": {"finish": "tool_calls", "names": ["get_weather", "get_weather"], "text": WEATHER},
        "tools_stream": {
            "finish": "tool_calls",
            "calls": [["get_weather", {"city": "Paris"}], ["get_weather", {"city": "Rome"}]]
        },
        "structured": {"city": "Paris", "degrees": 21},
        "choices": {"texts": [HELLO, HELLO], "tokens": ["Hello", "Hello"]},
        "image": {"text": "An image: data:image/png;base64,iVBORw0KGgo="},
        "models": {"listed": true, "retrieved": true},
        "wrong_key": refused("AuthenticationError", 401),
        "wrong_key_chat": refused("AuthenticationError", 401),
        "unknown_model": refused("NotFoundError", 404),
        "no_messages": refused("BadRequestError", 400),
        "bad_parameter": refused("BadRequestError", 400),
        "fails_once": {"text": HELLO},
        "fails_once_stream": {"text": HELLO},
        "busy_once": {"text": HELLO},
        "breaks": {"text": "Hello ", "noticed": true},
        "cancel": {"text": "Hello "},
        "headers": {"text": HELLO, "ours": {}},
        "down": {"class": "InternalServerError"},
    })
}

/// Scene by scene, so that a difference can be found.
#[track_caller]
fn assert_seen(seen: &Map<String, Value>, expected: &Value) {
    for (scene, seen) in seen {
        assert_eq!(*seen, expected[scene], "{scene}");
    }
    assert_eq!(seen.len(), expected.as_object().unwrap().len());
}

/// At the provider, and through Nexus.
#[track_caller]
fn sees_the_same_everywhere(client: Client) {
    let alone = scripted::start();
    let seen = client.play(&play::alone(&alone), &SCENES);
    assert_seen(&seen, &expected());
    alone.wait_until_left(1);

    let world = World::start();
    let mut seen = client.play(&world.place, &SCENES);
    let ours = std::mem::replace(&mut seen["headers"]["ours"], json!({}));
    assert_seen(&seen, &expected());
    assert_eq!(ours["x-nexus-model"], "lab");
    world.provider.wait_until_left(1);
}

#[test]
fn the_python_package_sees_through_nexus_what_it_sees_at_the_provider() {
    sees_the_same_everywhere(Client::Python);
}

#[test]
fn the_node_package_sees_through_nexus_what_it_sees_at_the_provider() {
    sees_the_same_everywhere(Client::Node);
}

#[test]
fn the_packages_see_the_same_when_the_provider_speaks_another_protocol() {
    let scenes = SCENES.into_iter();
    // It has no words for a schema of the answer, and for several answers.
    let scenes: Vec<_> = scenes
        .filter(|scene| !["structured", "choices"].contains(scene))
        .collect();
    let mut expected = expected();
    let all = expected.as_object_mut().unwrap();
    all.retain(|scene, _| scenes.contains(&&**scene));
    for client in [Client::Python, Client::Node] {
        let world = World::start();
        let mut seen = client.play(&world.with_model("other"), &scenes);
        let ours = std::mem::replace(&mut seen["headers"]["ours"], json!({}));
        assert_eq!(ours["x-nexus-model"], "other");
        assert_seen(&seen, &expected);
        world.provider.wait_until_left(1);
    }
}

#[test]
fn langchain_sees_through_nexus_what_it_sees_at_the_provider() {
    let scenes = [
        "chat",
        "stream",
        "stream_with_usage",
        "tools",
        "structured",
        "batch",
        "fails_once",
        "wrong_key",
    ];
    let expected = json!({
        "chat": {"text": HELLO, "finish": "stop", "tokens": 16},
        "stream": {"text": HELLO, "pieces": 4},
        "stream_with_usage": {"text": HELLO, "tokens": 16},
        "tools": {"names": ["get_weather", "get_weather"], "text": WEATHER},
        "structured": {"city": "Paris", "degrees": 21},
        "batch": {"texts": [HELLO, HELLO, HELLO]},
        "fails_once": {"text": HELLO},
        "wrong_key": {"is_authentication_error": true, "status": 401},
    });
    let (alone, world) = (scripted::start(), World::start());
    for place in [play::alone(&alone), world.place] {
        let seen = Client::LangChain.play(&place, &scenes);
        assert_seen(&seen, &expected);
    }
}

#[test]
fn the_llm_command_chats_streams_goes_on_and_calls_its_tools() {
    let expected = format!(
        "chat: {HELLO}\nstream: {HELLO}\ncontinue: {HELLO}\n\
         structured: {{\"city\": \"Paris\", \"degrees\": 21}}\ntools: {WEATHER}\n"
    );
    let world = World::start();
    assert_eq!(Client::Llm.run(&world.place, &[]), expected);
    let asked = world.provider.new_requests();
    let roles = |request: &Value| {
        let messages = request["messages"].as_array().unwrap();
        let roles = messages.iter().map(|it| it["role"].as_str().unwrap());
        roles.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(roles(&asked[2]), "system user assistant user");
    assert_eq!(asked[1]["stream"], true);
}

#[test]
fn what_a_client_sends_reaches_the_provider_unchanged_behind_the_persons_own_prompt() {
    let world = World::start();
    let [chat] = world.asked(Client::Python, &["chat"]);
    let messages = chat["messages"].as_array().unwrap();
    let text = |index: usize| messages[index]["content"].as_str().unwrap();
    assert!(text(0).starts_with("You are Ada."), "{chat:#}");
    let roles: Vec<_> = messages.iter().map(|it| &it["role"]).collect();
    let system = roles.iter().filter(|role| **role == "system").count();
    assert_eq!(roles[system..], ["user", "assistant", "user"], "{chat:#}");
    let theirs = (0..system)
        .map(text)
        .find(|it| it.contains("Answer in French."));
    assert!(theirs.is_some(), "{chat:#}");
    assert_eq!(
        (&chat["model"], &chat["temperature"]),
        (&"lab-1".into(), &0.3.into())
    );

    for client in [Client::Python, Client::Node] {
        let scenes = ["choices", "structured", "image", "tools"];
        let [choices, structured, image, _, tools] = world.asked(client, &scenes);
        for (name, value) in [
            ("n", json!(2)),
            ("logprobs", json!(true)),
            ("top_logprobs", json!(1)),
            ("seed", json!(7)),
            ("stop", json!(["END"])),
            ("logit_bias", json!({"50256": -100})),
        ] {
            assert_eq!(choices[name], value, "{name}: {choices:#}");
        }
        let structured = &structured["response_format"];
        assert_eq!(structured["type"], "json_schema");
        assert_eq!(structured["json_schema"]["strict"], true);
        assert_eq!(
            structured["json_schema"]["schema"]["required"],
            json!(["city", "degrees"])
        );
        let image = image["messages"].as_array().unwrap().last().unwrap();
        assert_eq!(
            image["content"],
            json!([
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {
                    "url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"
                }}
            ])
        );
        assert_eq!(tools["tools"].as_array().unwrap().len(), 1, "{tools:#}");
        assert_eq!(
            tools["tools"][0]["function"]["parameters"]["required"],
            json!(["city"])
        );
        let results = tools["messages"].as_array().unwrap();
        let results = results.iter().filter(|it| it["role"] == "tool");
        let ids: Vec<_> = results.map(|it| &it["tool_call_id"]).collect();
        assert_eq!(ids, ["call_1", "call_2"], "{tools:#}");
    }
}

#[test]
fn errors_say_in_openais_words_what_is_wrong() {
    let world = World::start();
    let codes = Client::Python.see(&world.place, "codes");
    assert_eq!(
        codes,
        json!({
            "wrong_key": ["authentication_error", "invalid_api_key", null],
            "unknown_model": ["invalid_request_error", "model_not_found", "model"],
            "no_messages": ["invalid_request_error", "wrong_type", "messages"],
            "bad_parameter": ["invalid_request_error", "wrong_type", "temperature"],
            "unknown_field": ["invalid_request_error", "unsupported_parameter", "lab_mode"],
        })
    );
    let told = Client::Python.see(&world.place, "breaks_told");
    assert_eq!(
        (&told["class"], &told["told"]),
        (&"APIError".into(), &true.into())
    );
}

#[test]
fn whoever_is_refused_waits_as_long_as_told_and_is_answered_then() {
    for client in [Client::Python, Client::Node] {
        let world = World::with("limits: { identity: { concurrent_runs: 1 } }");
        let seen = client.see(&world.place, "limited");
        assert_eq!(
            seen,
            json!({
                "refused": {"class": "RateLimitError", "status": 429},
                "waited": true, "text": HELLO
            })
        );
    }
}

#[test]
fn an_answer_names_its_run_its_model_and_its_template_and_explains_itself_when_asked() {
    for client in [Client::Python, Client::Node] {
        let world = World::start();
        let mut seen = client.play(&world.place, &["headers", "explained"]);
        let ours = seen["headers"]["ours"].take();
        assert_eq!(ours["x-nexus-model"], "lab", "{ours:#}");
        for name in ["x-nexus-run", "x-nexus-template"] {
            assert!(ours[name].is_string(), "{name}: {ours:#}");
        }
        let explained = &seen["explained"];
        assert_eq!(explained["model"], "lab", "{explained:#}");
        assert!(explained.to_string().contains("identity"), "{explained:#}");
        let stored = world.home.json(&["command", "history", "5"]);
        assert!(stored.to_string().contains(HELLO), "{stored:#}");
    }
}

#[test]
fn a_field_that_the_template_lists_reaches_the_provider() {
    let world = World::with("clients: { fields: [lab_mode] }");
    for client in [Client::Python, Client::Node] {
        let [asked] = world.asked(client, &["unknown_field"]);
        assert_eq!(asked["lab_mode"], "deep");
    }
}

#[test]
fn the_responses_api_answers_too() {
    let world = World::start();
    for client in [Client::Python, Client::Node] {
        let seen = client.play(&world.place, &["responses", "responses_stream"]);
        assert_eq!(
            Value::from(seen),
            json!({
                "responses": {"status": "completed", "text": HELLO},
                "responses_stream": {
                    "text": HELLO, "first": "response.created", "last": "response.completed"
                }
            })
        );
    }
}

/// The blocks of the document in one language.
fn snippets(language: &str) -> Vec<String> {
    let document = std::fs::read_to_string(repository("docs/clients.md")).unwrap();
    let blocks = document.split("\n```").skip(1).step_by(2);
    let ours = blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    ours.map(str::to_owned).collect()
}

#[test]
fn the_examples_of_the_document_work_as_they_stand_there() {
    let world = World::start();
    let twice = format!("{HELLO}\n{HELLO}\n");
    let once = format!("{HELLO}\n");
    let python = snippets("python");
    assert_eq!(python.len(), 2);
    for (snippet, expected) in python.iter().zip([&twice, &once]) {
        let said = run(Command::new("python3").args(["-c", snippet]), &world.place);
        assert_eq!(said, *expected, "{snippet}");
    }

    let node = snippets("js");
    assert_eq!(node.len(), 1);
    let folder = world.home.write("example.mjs", &node[0]);
    let packages = installed("openai-clients").join("node_modules");
    std::os::unix::fs::symlink(packages, folder.with_file_name("node_modules")).unwrap();
    let said = run(Command::new("node").arg(&folder), &world.place);
    assert_eq!(said, twice, "{}", node[0]);

    let settings = snippets("yaml").swap_remove(0);
    let settings = settings.replace("http://127.0.0.1:8000/v1", &world.place.base_url);
    let llm = snippets("sh").into_iter().find(|it| it.starts_with("llm "));
    let script = "llm() { python3 -m llm \"$@\"; }\n\
                  printf %s \"$1\" >\"$LLM_USER_PATH/extra-openai-models.yaml\"\n";
    let script = script.to_owned() + &llm.unwrap();
    let mut command = Command::new("sh");
    command.args(["-eu", "-c", &script, "sh", &settings]);
    assert_eq!(run(&mut command, &world.place), once, "{script}");
}
