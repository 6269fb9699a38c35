//! Lets clients play their scenes, at a provider alone or at Nexus in front of one.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use nexus_test_support::provider::Provider;
use serde_json::{Map, Value};

use crate::program::{Home, Server, finish, repository};
use crate::scripted;

/// A program that plays scenes.
#[derive(Clone, Copy)]
pub(super) enum Client {
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

    /// What it printed.
    #[track_caller]
    pub(super) fn run(self, place: &Place, scenes: &[&str]) -> String {
        run(self.command().args(scenes), place)
    }

    /// What it saw in each scene.
    #[track_caller]
    pub(super) fn play(self, place: &Place, scenes: &[&str]) -> Map<String, Value> {
        let printed = self.run(place, scenes);
        let lines = printed.lines().map(serde_json::from_str::<Value>);
        lines
            .flat_map(|line| line.unwrap().as_object().unwrap().clone())
            .collect()
    }

    /// What it saw in one scene.
    #[track_caller]
    pub(super) fn see(self, place: &Place, scene: &str) -> Value {
        self.play(place, &[scene])[scene].take()
    }
}

/// What a program printed. It knows no other place and no other key than these.
#[track_caller]
pub(super) fn run(command: &mut Command, place: &Place) -> String {
    let folder = tempfile::tempdir().unwrap();
    command
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

/// A folder of packages.
pub(crate) fn installed(name: &str) -> PathBuf {
    let folder = repository(".tools").join(name);
    assert!(
        folder.join(".stamp").is_file(),
        "{name} is not installed: run `make tools`"
    );
    folder
}

/// What a client needs to know.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) base_url: String,
    pub(super) key: String,
    pub(super) model: &'static str,
}

/// A provider alone.
pub(super) fn alone(provider: &Provider) -> Place {
    Place {
        base_url: provider.base_url.clone(),
        key: scripted::KEY.to_owned(),
        model: scripted::MODEL,
    }
}

/// Nexus before a provider, and somebody with an API key.
pub(super) struct World {
    pub(super) provider: Provider,
    pub(super) place: Place,
    _server: Server,
    pub(super) home: Home,
}

impl World {
    pub(super) fn start() -> Self {
        Self::with("")
    }

    /// Where another model is asked for.
    pub(super) fn with_model(&self, model: &'static str) -> Place {
        Place {
            model,
            ..self.place.clone()
        }
    }

    /// `more` is a line of the template.
    pub(super) fn with(more: &str) -> Self {
        let provider = scripted::start();
        let home = Home::new();
        home.write("lab.yml", &template(&provider.base_url, more));
        let site = provider.address();
        home.write("nexus.yml", &format!("secrets:\n  LAB_KEY: [\"{site}\"]\n"));
        home.ok(&["init", "--config", "lab.yml"]);
        let server = home.serve_in(&[], &[("LAB_KEY", scripted::KEY)]);
        let url = format!("http://{}", server.address);
        home.ok(&["login", &url, "--new", "--no-passphrase"]);
        home.ok(&["identity", "register"]);
        home.ok(&["command", "prompt.set", "persona", "You are Ada."]);
        // Whoever wants to know where a value came from has to be let read the profile.
        let scopes = "chat,models.read,profile.read";
        let made = home.ok(&["key", "create", "clients", "--scopes", scopes]);
        let key = made.trim().to_owned();
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

    /// What the provider was asked in these scenes.
    #[track_caller]
    pub(super) fn asked<const N: usize>(&self, client: Client, scenes: &[&str]) -> [Value; N] {
        _ = self.provider.new_requests();
        client.play(&self.place, scenes);
        self.provider.new_requests().try_into().unwrap()
    }
}

fn template(base_url: &str, more: &str) -> String {
    format!(
        "system: {{ log_level: INFO, max_tool_iterations: 5, app_name: Test }}\n\
         {more}\n\
         llm:\n  providers:\n    lab: {{ base_url: \"{base_url}\", api_key: \"${{LAB_KEY}}\" }}\n    \
         other: {{ base_url: \"{base_url}\", api_key: \"${{LAB_KEY}}\", protocol: anthropic }}\n  \
         catalog:\n    lab: {{ provider: lab, id: lab-1 }}\n    \
         other: {{ provider: other, id: lab-1 }}\n\
         user_defaults:\n  config: {{ model: lab }}\n  prompts:\n    \
         persona: {{ content: You are kind., editable: true, order: 1 }}\n\
         ui:\n  editable_fields: [config.model, config.temperature, prompts.persona]\n"
    )
}
