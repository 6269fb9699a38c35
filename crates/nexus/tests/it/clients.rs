//! The clients that people use. Each plays its scenes at a provider alone, and then through Nexus:
//! it must see the same.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use crate::program::{Home, Server, finish, repository};
use crate::scripted::{self, Scripted};

/// The scenes of the official packages that look the same everywhere. The last one comes last, as
/// Nexus leaves a provider alone that is down.
const SCENES: [&str; 22] = [
    "chat",
    "stream",
    "stream_with_usage",
    "tools",
    "tools_stream",
    "structured",
    "choices",
    "unknown_field",
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

/// A program that plays scenes.
#[derive(Clone, Copy)]
enum Client {
    Python,
    Node,
    LangChain,
    Llm,
}

impl Client {
    fn command(self) -> Command {
        let script = |name: &str| repository("crates/nexus/tests/clients").join(name);
        let command = |program: &str, name: &str| {
            let mut command = Command::new(program);
            command.arg(script(name));
            command
        };
        match self {
            Self::Python => command("python3", "openai_python.py"),
            Self::Node => command("node", "openai_node.mjs"),
            Self::LangChain => command("python3", "langchain_chat.py"),
            Self::Llm => command("sh", "llm_cli.sh"),
        }
    }

    /// What it printed. It knows no other place and no other key than these.
    #[track_caller]
    fn run(self, place: &Place, scenes: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut command = self.command();
        command
            .args(scenes)
            .env_clear()
            .env("PATH", env!("PATH"))
            .env("HOME", folder.path())
            .env("LLM_USER_PATH", folder.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONPATH", installed("openai-clients-python"))
            .env("PACKAGES", installed("openai-clients"))
            .env("OPENAI_BASE_URL", &place.base_url)
            .env("OPENAI_API_BASE", &place.base_url)
            .env("OPENAI_API_KEY", &place.key)
            .env("MODEL", place.model)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let Ok(child) = command.spawn() else {
            panic!("{command:?} is not there: Python 3 and Node are needed, and `make tools`");
        };
        let done = finish(child);
        assert_eq!(done.code, Some(0), "{}\n{}", done.out, done.err);
        done.out
    }

    /// What it saw in each scene.
    #[track_caller]
    fn play(self, place: &Place, scenes: &[&str]) -> Map<String, Value> {
        let printed = self.run(place, scenes);
        let lines = printed.lines().map(serde_json::from_str::<Value>);
        lines
            .flat_map(|line| line.unwrap().as_object().unwrap().clone())
            .collect()
    }

    /// What it saw in one scene.
    #[track_caller]
    fn see(self, place: &Place, scene: &str) -> Value {
        self.play(place, &[scene])[scene].take()
    }
}

/// A folder of packages.
fn installed(name: &str) -> PathBuf {
    let folder = repository(".tools").join(name);
    assert!(
        folder.join(".stamp").is_file(),
        "{name} is not installed: run `make tools`"
    );
    folder
}

/// What a client needs to know.
struct Place {
    base_url: String,
    key: String,
    model: &'static str,
}

impl Scripted {
    /// The provider alone.
    fn place(&self) -> Place {
        Place {
            base_url: self.base_url.clone(),
            key: scripted::KEY.to_owned(),
            model: scripted::MODEL,
        }
    }
}

/// Nexus before a provider, and somebody with an API key.
struct World {
    provider: Scripted,
    place: Place,
    _server: Server,
    home: Home,
}

impl World {
    fn start() -> Self {
        Self::with_limits("{}")
    }

    fn with_limits(limits: &str) -> Self {
        let provider = Scripted::start();
        let home = Home::new();
        home.write("lab.yml", &template(&provider.base_url, limits));
        let site = provider.base_url.replace("http://", "").replace("/v1", "");
        home.write("nexus.yml", &format!("secrets:\n  LAB_KEY: [\"{site}\"]\n"));
        home.ok(&["init", "--config", "lab.yml"]);
        let server = home.serve_in(&[], &[("LAB_KEY", scripted::KEY)]);
        let url = format!("http://{}", server.address);
        home.ok(&["login", &url, "--new", "--no-passphrase"]);
        home.ok(&["identity", "register"]);
        home.ok(&["command", "prompt.set", "persona", "You are Ada."]);
        let key = home.ok(&["key", "create", "clients"]).trim().to_owned();
        let place = Place {
            base_url: format!("{url}/v1"),
            key,
            model: "nexus",
        };
        Self {
            provider,
            place,
            _server: server,
            home,
        }
    }

    /// What the provider was asked in a scene, the last request of it.
    #[track_caller]
    fn asked(&self, client: Client, scene: &str) -> Value {
        self.provider.asked();
        client.see(&self.place, scene);
        self.provider.asked().pop().unwrap()
    }
}

fn template(base_url: &str, limits: &str) -> String {
    format!(
        "system: {{ log_level: INFO, max_tool_iterations: 5, app_name: Test }}\n\
         limits: {limits}\n\
         llm:\n  providers:\n    lab: {{ base_url: \"{base_url}\", api_key: \"${{LAB_KEY}}\" }}\n  \
         catalog:\n    lab: {{ provider: lab, id: lab-1 }}\n\
         user_defaults:\n  config: {{ model: lab }}\n  prompts:\n    \
         persona: {{ content: You are kind., editable: true, order: 1 }}\n\
         ui:\n  editable_fields: [config.model, config.temperature, prompts.persona]\n"
    )
}

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
        "unknown_field": {"text": HELLO},
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
    let alone = Scripted::start();
    let seen = client.play(&alone.place(), &SCENES);
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
        "wrong_key": {"class": "AuthenticationError", "status": 401},
    });
    let (alone, world) = (Scripted::start(), World::start());
    for place in [alone.place(), world.place] {
        let seen = Client::LangChain.play(&place, &scenes);
        assert_seen(&seen, &expected);
    }
}

#[test]
fn the_llm_command_sees_through_nexus_what_it_sees_at_the_provider() {
    let expected = format!(
        "chat: {HELLO}\nstream: {HELLO}\ncontinue: {HELLO}\n\
         structured: {{\"city\": \"Paris\", \"degrees\": 21}}\ntools: {WEATHER}\n"
    );
    let (alone, world) = (Scripted::start(), World::start());
    for place in [alone.place(), world.place] {
        assert_eq!(Client::Llm.run(&place, &[]), expected, "{}", place.base_url);
    }
}

#[test]
fn what_a_client_sends_reaches_the_provider_unchanged_behind_the_persons_own_prompt() {
    let world = World::start();
    let chat = world.asked(Client::Python, "chat");
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
        let choices = world.asked(client, "choices");
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
        let structured = &world.asked(client, "structured")["response_format"];
        assert_eq!(structured["type"], "json_schema");
        assert_eq!(structured["json_schema"]["strict"], true);
        assert_eq!(
            structured["json_schema"]["schema"]["required"],
            json!(["city", "degrees"])
        );
        assert_eq!(world.asked(client, "unknown_field")["lab_mode"], "deep");
        let image = &world.asked(client, "image");
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
        let tools = world.asked(client, "tools");
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
            "wrong_key": ["invalid_request_error", "invalid_api_key", null],
            "unknown_model": ["invalid_request_error", "model_not_found", "model"],
            "no_messages": ["invalid_request_error", "invalid_request", "messages"],
            "bad_parameter": ["invalid_request_error", "invalid_request", "temperature"],
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
        let world = World::with_limits("{ identity: { concurrent_runs: 1 } }");
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
fn an_answer_names_its_run_its_model_and_its_template() {
    for client in [Client::Python, Client::Node] {
        let world = World::start();
        let ours = client.see(&world.place, "headers")["ours"].take();
        assert_eq!(ours["x-nexus-model"], "lab", "{ours:#}");
        for name in ["x-nexus-run", "x-nexus-template", "x-nexus-explain"] {
            assert!(ours[name].is_string(), "{name}: {ours:#}");
        }
        let done = world.home.json(&["command", "history", "5"]);
        assert!(done.to_string().contains(HELLO), "stored: {done:#}");
    }
}

#[test]
#[ignore = "the Responses API is not served yet"]
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
