//! What the person types: with editing and a history at a terminal, line by line otherwise. A line
//! that ends with `\` goes on in the next one.

use std::io;
use std::path::{Path, PathBuf};

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper};

use super::slash;
use crate::failure::Failure;

/// The file in the data folder that remembers what was typed.
const HISTORY: &str = "chat-history";

/// Where the person types.
pub(super) enum Input {
    Terminal {
        editor: Box<Editor<Assistance, FileHistory>>,
        history: PathBuf,
    },
    Lines,
}

/// What they typed.
pub(super) enum Typed {
    Text(String),
    /// They gave up what they were typing.
    Cleared,
    End,
}

impl Input {
    pub(super) fn terminal(data: &Path, models: Vec<String>) -> Result<Self, Failure> {
        let config = Config::builder().auto_add_history(true).build();
        let mut editor = Editor::with_config(config)
            .map_err(|error| Failure::new(format!("this terminal cannot be used: {error}")))?;
        editor.set_helper(Some(Assistance { models }));
        let history = data.join(HISTORY);
        // The first chat has none.
        _ = editor.load_history(&history);
        Ok(Self::Terminal {
            editor: Box::new(editor),
            history,
        })
    }

    pub(super) const fn lines() -> Self {
        Self::Lines
    }

    /// Waits for the next input. Reading blocks, so it happens on a thread of its own.
    pub(super) async fn read(self) -> Result<(Self, Typed), Failure> {
        let read = tokio::task::spawn_blocking(move || {
            let mut input = self;
            let typed = input.read_blocking()?;
            Ok((input, typed))
        });
        match read.await {
            Ok(outcome) => outcome,
            Err(error) => Err(Failure::new(format!("the input broke off: {error}"))),
        }
    }

    fn read_blocking(&mut self) -> Result<Typed, Failure> {
        match self {
            Self::Terminal { editor, history } => match editor.readline("you › ") {
                Ok(text) => {
                    // A history that cannot be written is no reason to end a chat.
                    _ = editor.append_history(history);
                    Ok(Typed::Text(text.replace("\\\n", "\n")))
                }
                Err(ReadlineError::Interrupted) => Ok(Typed::Cleared),
                Err(ReadlineError::Eof) => Ok(Typed::End),
                Err(error) => Err(unreadable(&error.to_string())),
            },
            Self::Lines => read_lines(),
        }
    }
}

fn read_lines() -> Result<Typed, Failure> {
    let mut text = String::new();
    loop {
        let before = text.len();
        let read = io::stdin().read_line(&mut text);
        match read.map_err(|error| unreadable(&error.to_string()))? {
            0 if before == 0 => return Ok(Typed::End),
            0 => return Ok(Typed::Text(text)),
            _ => {}
        }
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
        if !text.ends_with('\\') {
            return Ok(Typed::Text(text));
        }
        text.pop();
        text.push('\n');
    }
}

fn unreadable(reason: &str) -> Failure {
    Failure::new(format!("the input cannot be read: {reason}"))
}

/// Completes commands and names of models.
pub(super) struct Assistance {
    models: Vec<String>,
}

impl Completer for Assistance {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = &line[..position];
        let (start, words) = match typed.strip_prefix("/model ") {
            Some(_) => ("/model ".len(), self.models.clone()),
            None if typed.starts_with('/') => {
                let own = slash::COMMANDS.iter().map(|(name, ..)| (*name).to_owned());
                (0, own.chain(slash::more_commands()).collect())
            }
            None => (position, Vec::new()),
        };
        let fits = |word: &String| word.starts_with(&typed[start..]);
        Ok((start, words.into_iter().filter(fits).collect()))
    }
}

impl Validator for Assistance {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if context.input().ends_with('\\') {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}

impl Hinter for Assistance {
    type Hint = String;
}

impl Highlighter for Assistance {}

impl Helper for Assistance {}
