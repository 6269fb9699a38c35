//! The commands of the chat: some of its own, and those that a server has, executed as the person
//! at the machine.

use std::sync::Arc;

use nexus_core::command::CommandError;
use nexus_core::{Command, CommandName, ConfigField, Field, Genesis, Identity, PromptName, Role};
use nexus_run::{RunError, personal};

use super::Chat;
use crate::commands::config;
use crate::failure::Failure;
use crate::output::{columns, printable};
use crate::{here, outcome, view};

/// Name, arguments, what it does.
pub(super) const COMMANDS: [(&str, &str, &str); 6] = [
    ("/help", "", "this list"),
    ("/model", "[NAME | reset]", "show the models, or choose one"),
    (
        "/persona",
        "[TEXT | reset]",
        "show your persona, or change it",
    ),
    ("/explain", "[FIELD]", "tell where each setting comes from"),
    ("/history", "[N]", "show the last messages"),
    ("/quit", "", "end the chat (Ctrl-D does the same)"),
];

/// How many messages `/history` shows.
const SHOWN: u32 = 10;

/// A command and what follows it.
pub(super) struct Slash<'a> {
    name: &'a str,
    rest: &'a str,
}

/// What the chat does next.
pub(super) enum After {
    GoOn,
    Quit,
}

/// A line that begins with a slash and a letter is a command, not a question.
pub(super) fn read(text: &str) -> Option<Slash<'_>> {
    let after = text.strip_prefix('/')?;
    after.chars().next().filter(char::is_ascii_alphabetic)?;
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    Some(Slash {
        name,
        rest: rest.trim(),
    })
}

impl Chat<'_> {
    pub(super) async fn obey(&self, command: Slash<'_>) -> Result<After, Failure> {
        match command.name {
            "/help" => self.help(),
            "/model" => self.model(command.rest).await?,
            "/persona" => self.persona(command.rest).await?,
            "/explain" => self.explain(command.rest).await?,
            "/history" => self.history(command.rest).await?,
            "/quit" | "/exit" => return Ok(After::Quit),
            "/identity.delete" => {
                return Err(Failure::new("nobody is erased from within a chat")
                    .hint(format!("`nexus identity delete {}` asks first", self.key)));
            }
            _ => self.command(&command).await?,
        }
        Ok(After::GoOn)
    }

    /// One of the commands that a server has too.
    async fn command(&self, slash: &Slash<'_>) -> Result<(), Failure> {
        let line = slash.name.trim_start_matches('/');
        let command = Command::from_line(&format!("{line} {}", slash.rest));
        let command = command.map_err(|error| match error {
            CommandError::UnknownCommand { .. } => {
                Failure::new(format!("there is no command {}", slash.name))
                    .hint("/help lists the commands")
            }
            error => Failure::new(error.to_string()),
        })?;
        if command == Command::Export {
            let failure = Failure::new("a chat has no place for that many lines");
            return Err(failure.hint("`nexus export` saves them, while `nexus serve` runs"));
        }
        let outcome = here::execute(&self.commands, self.key, command).await?;
        let outcome = serde_json::to_value(outcome)
            .map_err(|error| Failure::new(format!("this cannot be shown: {error}")))?;
        outcome::print(&self.shell.output, &outcome);
        Ok(())
    }

    fn help(&self) {
        let rows: Vec<_> = COMMANDS
            .iter()
            .map(|(name, arguments, what)| vec![format!("{name} {arguments}"), (*what).to_owned()])
            .collect();
        for line in columns(&rows) {
            self.shell.output.line(line);
        }
        let more: Vec<_> = more_commands().collect();
        self.shell.output.line(format_args!(
            "These work as they do at a server: {}",
            more.join(", ")
        ));
        self.shell
            .output
            .line("A line that ends with \\ goes on in the next one. Ctrl-C stops an answer.");
    }

    async fn model(&self, name: &str) -> Result<(), Failure> {
        match name {
            "" => self.list_models().await,
            _ => self.change(&ConfigField::Model.into(), name).await,
        }
    }

    async fn list_models(&self) -> Result<(), Failure> {
        let (genesis, identity) = self.person().await?;
        let chosen = personal::profile(&genesis, &identity).model;
        let limits = &genesis.policy(ConfigField::Model).bounds;
        let open = genesis
            .catalog()
            .iter()
            .filter(|model| limits.admits_model(&model.name));
        let row = |model: &Arc<nexus_core::Model>| {
            let mark = if model.name == chosen.value.name {
                "*"
            } else {
                " "
            };
            let missing = model.provider.unavailable();
            let remark =
                missing.map_or_else(String::new, |it| format!("no key: set {}", it.variable));
            vec![
                mark.to_owned(),
                model.name.to_string(),
                model.provider.name.to_string(),
                remark,
            ]
        };
        let rows: Vec<_> = open.map(row).collect();
        for line in columns(&rows) {
            self.shell.output.line(line);
        }
        Ok(())
    }

    async fn persona(&self, text: &str) -> Result<(), Failure> {
        let field = Field::Prompt(persona()?);
        if !text.is_empty() {
            return self.change(&field, text).await;
        }
        let (genesis, identity) = self.person().await?;
        let profile = personal::profile(&genesis, &identity);
        config::refuse_absent(&profile, Some(&field))?;
        for it in view::fields(&profile, Some(&field)) {
            self.shell.output.line(config::plain(&it.value));
        }
        Ok(())
    }

    async fn explain(&self, field: &str) -> Result<(), Failure> {
        let field = match field {
            "" => None,
            "persona" => Some(Field::Prompt(persona()?)),
            path => Some(
                path.parse::<Field>()
                    .map_err(|error| Failure::new(error.to_string()))?,
            ),
        };
        let (genesis, identity) = self.person().await?;
        let profile = personal::profile(&genesis, &identity);
        config::refuse_absent(&profile, field.as_ref())?;
        view::explain(&self.shell.output, &profile, field.as_ref());
        Ok(())
    }

    async fn history(&self, count: &str) -> Result<(), Failure> {
        let count = match count {
            "" => SHOWN,
            text => text
                .parse()
                .ok()
                .filter(|count| (1..=100).contains(count))
                .ok_or_else(|| Failure::new("/history takes a number from 1 to 100"))?,
        };
        let (_, identity) = self.person().await?;
        let page = self.orchestrator.store.messages(&identity, count, None);
        let output = &self.shell.output;
        for message in page.await?.messages.iter().rev() {
            let who = match message.role {
                Role::Human => "you",
                Role::Ai => "assistant",
                Role::Tool => "tool",
                Role::System => "system",
            };
            let when = message.timestamp.format("%Y-%m-%d %H:%M");
            output.line(output.paint.dim(&format!("{who}, {when}")));
            output.line(printable(&message.content));
        }
        Ok(())
    }

    /// Sets a field, or goes back to the default, and says what came of it.
    async fn change(&self, field: &Field, value: &str) -> Result<(), Failure> {
        let (genesis, identity) = self.person().await?;
        let before = personal::profile(&genesis, &identity);
        let command = match value {
            "reset" => here::unset(field),
            _ => here::set(field, value.into()),
        };
        here::execute(&self.commands, self.key, command).await?;
        let (_, changed) = self.person().await?;
        let now = personal::profile(&genesis, &changed);
        config::report(self.shell, field, &before, &now);
        Ok(())
    }

    async fn person(&self) -> Result<(Arc<Genesis>, Identity), Failure> {
        let genesis = self
            .orchestrator
            .template
            .current()
            .map_err(RunError::from)?;
        let identity = self.orchestrator.store.identity(self.key).await?;
        Ok((genesis, identity.ok_or(RunError::NotAMember)?))
    }
}

/// The commands of a server for which the chat has none of its own.
pub(super) fn more_commands() -> impl Iterator<Item = String> {
    let names = CommandName::ALL.iter().map(|name| format!("/{name}"));
    names.filter(|name| {
        let is_own = COMMANDS.iter().any(|(own, ..)| own == name);
        !is_own && !matches!(name.as_str(), "/identity.delete" | "/export")
    })
}

fn persona() -> Result<PromptName, Failure> {
    "persona"
        .parse()
        .map_err(|error: nexus_core::field::UnknownField| Failure::new(error.to_string()))
}
