//! The real program, with a template whose one provider is ours, and members who all differ.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::measure::{self, Shape};
use super::subject::{Subject, post, request, whole};
use crate::load::Expected;
use crate::process::{Core, Cores, Server, free_address};
use crate::provider;

pub(crate) const NAME: &str = "Nexus, a full turn";

/// How many earlier messages the model is shown.
pub(crate) const HISTORY: usize = 20;

const MEMBERS: usize = 8;
const VISITOR: &str = "0x00000000000000000000000000000000000000ff";

/// A server with members.
pub(crate) struct Nexus {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    tokens: Vec<String>,
    /// Those of the same members, for the OpenAI-compatible API.
    pub(crate) api_keys: Vec<String>,
    /// Speaks for a key that nobody registered.
    visitor: String,
}

impl Nexus {
    pub(crate) fn start(
        cores: Cores,
        program: &Path,
        folder: &Path,
        provider: SocketAddr,
    ) -> anyhow::Result<Self> {
        let shell = Shell { program, folder };
        let template = folder.join("template.yml");
        // JSON is YAML too.
        fs::write(
            &template,
            serde_json::to_string_pretty(&document(provider))?,
        )?;
        shell.run(&["init", "--config", &template.display().to_string()])?;
        let members = (0..MEMBERS).map(|number| shell.member(number));
        let members: Vec<Member> = members.collect::<anyhow::Result<_>>()?;
        let visitor = shell.token(&["identity", "token", VISITOR])?;

        let address = free_address()?;
        let mut command = shell.prepare(cores.command(Core::Measured, program));
        let log = File::create(folder.join("nexus.log"))?;
        command.args(["serve", "--listen", &address.to_string()]);
        // The host that every request names, and the one that people sign in at.
        let here = format!("http://{address}");
        command.args(["--public-origin", &format!("http://bench,{here}")]);
        command.stdout(Stdio::null()).stderr(log);
        let server = Server::start_at(command, address)?;
        let api_keys = members.iter().map(|it| shell.api_key(it, &here));
        let api_keys = api_keys.collect::<anyhow::Result<_>>()?;
        Ok(Self {
            server,
            address,
            tokens: members.into_iter().map(|it| it.token).collect(),
            api_keys,
            visitor,
        })
    }

    /// Chats until everybody has a history.
    pub(crate) fn seed(&self, cores: Cores) -> anyhow::Result<()> {
        let shape = Shape {
            streams: MEMBERS,
            turns: MEMBERS * HISTORY,
        };
        measure::window(cores, &self.turn(), shape).map(drop)
    }

    /// A personalised question and its streamed answer, both stored.
    pub(crate) fn turn(&self) -> Subject<'_> {
        let question = "It is on the left bank, below the bridge. What should I look at first, \
                        and how long should I plan for it?";
        let body = json!({ "content": question }).to_string();
        let ask = |token: &String| post("/api/v1/chat", &bearer(token), body.as_bytes());
        Subject {
            name: NAME,
            server: Some(&self.server),
            address: self.address,
            requests: self.tokens.iter().map(ask).collect(),
            expected: Expected {
                piece: "event: text_chunk\n".to_owned(),
                pieces: provider::PIECES,
                last: r#""status":"completed""#.to_owned(),
            },
            one_in: 1,
        }
    }

    /// A question of a visitor: the run goes its whole way, stores nothing and asks no model.
    pub(crate) fn visit(&self) -> Subject<'_> {
        let body = json!({ "content": "Who is there?" }).to_string();
        let request = post("/api/v1/chat", &bearer(&self.visitor), body.as_bytes());
        Subject {
            name: "Nexus, a turn with nothing to store (a visitor's)",
            server: Some(&self.server),
            address: self.address,
            requests: [request].into(),
            expected: Expected {
                piece: "event: text_chunk\n".to_owned(),
                pieces: 1,
                last: r#""status":"visitor_guidance_sent""#.to_owned(),
            },
            one_in: 1,
        }
    }

    /// The person and their merged profile; nothing is stored, no model is asked.
    pub(crate) fn profile(&self) -> Subject<'_> {
        let ask = |token: &String| request("GET", "/api/v1/profile", &bearer(token), b"");
        Subject {
            name: "Nexus, profile (authenticated, merged, explained)",
            server: Some(&self.server),
            address: self.address,
            requests: self.tokens.iter().map(ask).collect(),
            expected: whole(r#""template_version":"#),
            one_in: 1,
        }
    }

    /// Whether the server lives; nothing else.
    pub(crate) fn livez(&self) -> Subject<'_> {
        Subject {
            name: "Nexus, livez",
            server: Some(&self.server),
            address: self.address,
            requests: [request("GET", "/livez", "", b"")].into(),
            expected: whole(r#""status":"#),
            one_in: 1,
        }
    }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Somebody who was registered.
struct Member {
    token: String,
    key_file: String,
}

/// The command line of Nexus.
struct Shell<'a> {
    program: &'a Path,
    folder: &'a Path,
}

impl Shell<'_> {
    /// Registers somebody who has changed everything that people like to change.
    fn member(&self, number: usize) -> anyhow::Result<Member> {
        let person: Value = serde_json::from_str(&self.run(&["--json", "identity", "new"])?)?;
        let text = |name: &str| {
            let text = person[name].as_str();
            anyhow::Ok(
                text.with_context(|| format!("there is no {name}"))?
                    .to_owned(),
            )
        };
        let member = Member {
            token: text("token")?,
            key_file: text("key_file")?,
        };
        let key = &text("public_key")?;
        let model = if number.is_multiple_of(2) {
            "large"
        } else {
            "small"
        };
        let temperature = format!("0.{}", 1 + number % 9);
        let persona = format!(
            "You are the companion of member {number}: dry, exact, fond of rivers and old \
             machines. You answer in three sentences and end with a question."
        );
        self.run(&["config", "set", key, "model", model])?;
        self.run(&["config", "set", key, "temperature", &temperature])?;
        self.run(&["prompt", "set", key, "persona", &persona])?;
        Ok(member)
    }

    /// Signs in as a person does, and makes a key for a program.
    fn api_key(&self, member: &Member, server: &str) -> anyhow::Result<String> {
        self.run(&["login", server, "--key", &member.key_file])?;
        Ok(self.run(&["key", "create", "bench"])?.trim().to_owned())
    }

    /// The token that a command prints.
    fn token(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let printed: Value = serde_json::from_str(&self.run(&[&["--json"], arguments].concat())?)?;
        let token = printed["token"].as_str().context("there is no token")?;
        Ok(token.to_owned())
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = self.prepare(Command::new(self.program));
        let output = command.args(arguments).output()?;
        ensure!(
            output.status.success(),
            "nexus {} failed:\n{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Settings of the person who runs the bench must not change what is measured.
    fn prepare(&self, mut command: Command) -> Command {
        let data: PathBuf = self.folder.join("data");
        command.env_clear().envs(path()).env("NEXUS_DATA", data);
        command.env("XDG_CONFIG_HOME", self.folder.join("config"));
        command.current_dir(self.folder);
        command
    }
}

#[expect(clippy::disallowed_methods, reason = "programs are found by it")]
fn path() -> Option<(&'static str, std::ffi::OsString)> {
    Some(("PATH", std::env::var_os("PATH")?))
}

/// A template with two models of one provider; its prompts come with the program.
fn document(provider: SocketAddr) -> Value {
    let model = |id: &str| json!({"provider": "bench", "id": id, "default_params": {"temperature": 0.7, "max_tokens": 8192}});
    json!({
        "environment": "development",
        "system": {"log_level": "INFO", "max_tool_iterations": 5, "app_name": "Nexus"},
        "security": {"signature_required_commands": ["identity", "config.set", "prompt.set"]},
        // What is measured is a turn, not a refusal.
        "limits": {"identity": {
            "requests_per_minute": 1_000_000, "tokens_per_minute": 10_000_000_000_u64,
            "concurrent_runs": 1_000, "daily_tokens": 1_000_000_000_000_u64
        }},
        "llm": {
            "providers": {"bench": {"base_url": format!("http://{provider}/v1")}},
            "catalog": {"large": model("bench-large"), "small": model("bench-small")}
        },
        "user_defaults": {
            "config": {
                "model": "large", "temperature": 0.8, "max_tokens": 4096,
                "history_context_size": HISTORY
            },
            "prompts": {
                "persona": {"content_file": "persona.md", "editable": true, "order": 1},
                "system": {"content_file": "system.md", "editable": false, "order": 2},
                "tools": {"content_file": "tools.md", "editable": false, "order": 3}
            }
        },
        "ui": {
            "editable_fields": ["config.model", "config.temperature", "prompts.persona"],
            "field_options": {
                "config.model": {"type": "select"},
                "config.temperature": {"type": "slider", "min": 0, "max": 2, "step": 0.1},
                "prompts.persona": {"type": "textarea"}
            }
        }
    })
}
