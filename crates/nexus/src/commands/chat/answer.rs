//! One answer, printed as it comes. The answer goes to standard output, everything about it to
//! standard error, so that a script gets the answer and nothing else.

use futures_util::StreamExt;
use nexus_core::Overrides;
use nexus_core::event::{Channel, RunEvent, RunFinished, RunStatus};
use nexus_run::{NewRun, OnDisconnect, Question};
use tokio_util::sync::CancellationToken;

use super::Chat;
use crate::failure::Failure;
use crate::output::{Output, printable};
use crate::signals::Interrupts;

/// How much was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Everything,
    NotAll,
}

impl Chat<'_> {
    pub(super) async fn answer(&self, question: Question) -> Result<Told, Failure> {
        let mut interrupts = Interrupts::listen()?;
        let cancel = CancellationToken::new();
        let mut events = self.orchestrator.start(NewRun {
            owner: self.key,
            ask: question.into(),
            request: Overrides::default(),
            models: None,
            explains: false,
            on_disconnect: OnDisconnect::Finish,
            cancel: cancel.clone(),
        });
        let mut screen = Screen {
            output: &self.shell.output,
            is_terminal: self.is_terminal,
            last: None,
            ends_line: true,
        };
        let mut told = Told::NotAll;
        loop {
            tokio::select! {
                () = interrupts.next() => cancel.cancel(),
                event = events.next() => match event {
                    Some(event) => told = screen.show(event).unwrap_or(told),
                    None => return Ok(told),
                },
            }
        }
    }
}

/// What is on the screen of this answer.
struct Screen<'a> {
    output: &'a Output,
    is_terminal: bool,
    last: Option<Channel>,
    ends_line: bool,
}

impl Screen<'_> {
    /// Shows one event; the last one says how much was told.
    fn show(&mut self, event: RunEvent) -> Option<Told> {
        let output = self.output;
        match event {
            RunEvent::RunStarted(started) => {
                for notice in started.notices {
                    output.warn(notice.message);
                }
            }
            RunEvent::Fallback(fallback) => {
                self.end_line();
                output.warn(fallback.notice.message);
            }
            RunEvent::Notice(notice) => {
                self.end_line();
                output.warn(notice.message);
            }
            RunEvent::TextChunk { chunk, channel } => self.chunk(&chunk, channel),
            RunEvent::ToolCallStarted { tool_name, .. } => {
                self.aside(&format!("calling {tool_name}"));
            }
            RunEvent::ToolCallFinished {
                tool_name, status, ..
            } => {
                let outcome = match status {
                    nexus_core::event::ToolStatus::Success => "answered",
                    nexus_core::event::ToolStatus::Error => "failed",
                };
                self.aside(&format!("{tool_name} {outcome}"));
            }
            // Only programs of OpenAI's protocol ask for these.
            RunEvent::Verbatim(_) | RunEvent::ClientToolCall { .. } => {}
            RunEvent::Error { message, .. } => {
                self.end_line();
                output.fail(&Failure::new(message));
            }
            RunEvent::RunFinished(finished) => return Some(self.finish(&finished)),
        }
        None
    }

    /// A script gets no reasoning: it is not part of the answer.
    fn chunk(&mut self, chunk: &str, channel: Channel) {
        let text = printable(chunk);
        if text.is_empty() || (channel == Channel::Reasoning && !self.is_terminal) {
            return;
        }
        if self.last.is_some_and(|last| last != channel) {
            self.end_line();
        }
        self.last = Some(channel);
        self.ends_line = text.ends_with('\n');
        match channel {
            Channel::Reasoning => self.output.exact(&self.output.paint.dim(&text)),
            Channel::Answer | Channel::Guidance => self.output.exact(&text),
        }
    }

    fn finish(&mut self, finished: &RunFinished) -> Told {
        self.end_line();
        let mut facts = Vec::new();
        match finished.status {
            RunStatus::Interrupted => facts.push("stopped; what had come is stored".to_owned()),
            RunStatus::ToolLimit => facts.push("stopped: too many rounds of tools".to_owned()),
            RunStatus::Completed | RunStatus::VisitorGuidanceSent | RunStatus::Failed => {}
        }
        if let Some(model) = &finished.model {
            facts.push(format!("{} from {}", model.name, model.provider));
            if model.id != model.name {
                facts.push(printable(&model.id).into_owned());
            }
        }
        if let Some(usage) = finished.usage {
            facts.push(format!(
                "{} tokens read, {} written",
                usage.input_tokens, usage.output_tokens
            ));
        }
        if !facts.is_empty() {
            self.aside(&facts.join(" · "));
        }
        if self.is_terminal {
            self.output.note("");
        }
        match finished.status {
            RunStatus::Completed | RunStatus::VisitorGuidanceSent => Told::Everything,
            RunStatus::ToolLimit | RunStatus::Interrupted | RunStatus::Failed => Told::NotAll,
        }
    }

    fn aside(&mut self, text: &str) {
        self.end_line();
        self.output.note(self.output.aside.dim(text));
    }

    fn end_line(&mut self) {
        if !self.ends_line {
            self.output.exact("\n");
            self.ends_line = true;
        }
    }
}
