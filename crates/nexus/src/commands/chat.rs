//! `nexus chat`: a chat in this terminal, in this process, with the same store as a server.

mod answer;
mod input;
mod slash;

use std::io::{self, IsTerminal};
use std::sync::Arc;

use nexus_core::{Environment, PublicKey};
use nexus_run::{Commands, Orchestrator, Question, Registration};
use nexus_store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::answer::Told;
use self::input::{Input, Typed};
use self::slash::After;
use super::identity;
use crate::failure::Failure;
use crate::signals::Interrupts;
use crate::wire::{self, Clock, Outside};
use crate::{Shell, template};

/// How many identities are named when somebody must choose one.
const SHOWN: u32 = 5;

/// One chat: who talks, and with what.
struct Chat<'a> {
    shell: &'a Shell,
    orchestrator: Arc<Orchestrator>,
    commands: Commands,
    key: PublicKey,
    /// Whether a person sits in front of it.
    is_terminal: bool,
}

pub(crate) async fn run(shell: &Shell, key: Option<PublicKey>) -> Result<(), Failure> {
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let store = wire::open(&shell.settings).await?;
    let client = wire::client(&shell.settings)?;
    if shell.settings.environment == Environment::Development {
        template::ensure(shell, &store, &client).await?;
    }
    wire::genesis(&shell.settings, &*store).await?;
    let key = match key {
        Some(key) => key,
        None => whose(shell, &*store, is_terminal).await?,
    };
    let live = wire::live(&shell.settings, &store).await;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(Arc::clone(&live).watch(Arc::new(Clock::default()), stop.clone()));
    let tools = wire::Tools::new(&shell.settings, &shell.settings.listen(None))?;
    let outside = Outside {
        client,
        tools: tools.toolbox.clone(),
    };
    let orchestrator = wire::orchestrator(&shell.settings, store, live, outside, tasks.clone());
    let limiter = Arc::clone(&orchestrator.limiter);
    let chat = Chat {
        shell,
        // Whoever is at the machine registers whom they like.
        commands: wire::commands(&orchestrator, Registration::Open),
        orchestrator,
        key,
        is_terminal,
    };
    let outcome = chat.talk().await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    limiter.finish().await;
    tools.close().await;
    outcome
}

/// The only identity there is.
async fn whose(shell: &Shell, store: &dyn Store, is_terminal: bool) -> Result<PublicKey, Failure> {
    let page = store.identities(None, SHOWN).await?;
    match &*page.identities {
        [only] => Ok(only.public_key),
        [] if is_terminal && page.unreadable.is_empty() => {
            let question = "Nobody is registered yet. Make an identity for you?";
            if !identity::confirm(shell, question)? {
                return Err(nobody());
            }
            let registered = identity::register(shell, store, None).await?;
            if let Some(file) = &registered.file {
                shell
                    .output
                    .note(format_args!("your key is in {}", file.display()));
            }
            Ok(registered.key)
        }
        [] => Err(nobody()),
        several => {
            let mut lines: Vec<_> = several
                .iter()
                .map(|it| format!("`nexus chat {}`", it.public_key))
                .collect();
            if page.next.is_some() {
                lines.push("another of `nexus identity list`".to_owned());
            }
            Err(Failure::new("there are several identities: say who chats")
                .hint(lines.join(", or ")))
        }
    }
}

fn nobody() -> Failure {
    Failure::new("nobody is registered yet").hint("make the first identity: `nexus identity new`")
}

impl Chat<'_> {
    async fn talk(&self) -> Result<(), Failure> {
        let mut input = if self.is_terminal {
            self.greet()?;
            Input::terminal(&self.shell.settings.data, self.model_names())?
        } else {
            Input::lines()
        };
        let mut all_answered = true;
        loop {
            // A listener of its own for each wait: Ctrl-C is for what happens now, not for what
            // happened before.
            let mut interrupts = Interrupts::listen()?;
            let typed;
            (input, typed) = tokio::select! {
                read = input.read() => read?,
                // At a terminal, Ctrl-C at the prompt is a key like others and does not come here.
                () = interrupts.next(), if !self.is_terminal => break,
            };
            match typed {
                Typed::End => break,
                Typed::Cleared => {}
                Typed::Text(text) if text.trim().is_empty() => {}
                Typed::Text(text) => match slash::read(&text) {
                    Some(command) => {
                        let done = self.obey(command).await;
                        match done {
                            Ok(After::Quit) => break,
                            Ok(After::GoOn) => {}
                            Err(failure) => {
                                all_answered = false;
                                self.shell.output.fail(&failure);
                            }
                        }
                    }
                    None => all_answered &= self.ask(text).await?,
                },
            }
        }
        // A person has seen what went wrong; a script must be told.
        if all_answered || self.is_terminal {
            Ok(())
        } else {
            Err(Failure::new("not everything was answered: see above"))
        }
    }

    fn greet(&self) -> Result<(), Failure> {
        let genesis = self.orchestrator.template.current().map_err(|error| {
            Failure::new(error.to_string()).hint("`nexus init` stores a template")
        })?;
        let output = &self.shell.output;
        output.note(format_args!(
            "{}, you are {}\n{}\n",
            output.aside.bold(&genesis.system().app_name),
            self.key,
            output
                .aside
                .dim("/help lists the commands, Ctrl-D ends the chat")
        ));
        Ok(())
    }

    fn model_names(&self) -> Vec<String> {
        let genesis = self.orchestrator.template.current();
        genesis.map_or_else(|_| Vec::new(), |genesis| genesis.choosable_models())
    }

    /// Whether there was an answer.
    async fn ask(&self, text: String) -> Result<bool, Failure> {
        match Question::parse(text) {
            Ok(question) => Ok(self.answer(question).await? == Told::Everything),
            Err(error) => {
                self.shell.output.fail(&Failure::new(error.to_string()));
                Ok(false)
            }
        }
    }
}
