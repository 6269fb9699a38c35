//! `nexus prompt get|set|unset`: the prompts of one person.

use std::io::Read;
use std::path::PathBuf;

use nexus_api::profile::ProfileField;
use nexus_core::{EffectiveProfile, Field, PromptName};
use serde_json::Map;

use super::config::{Person, plain, refuse_absent};
use crate::cli::Prompt;
use crate::failure::Failure;
use crate::{Shell, here, view};

/// How much of a source is read, in bytes. What a prompt may have is for policy to say.
const MAX_READ: u64 = 1024 * 1024;

pub(crate) async fn run(shell: &Shell, command: Prompt) -> Result<(), Failure> {
    match command {
        Prompt::Get { key, name } => {
            let profile = Person::find(shell, key).await?.profile();
            get(shell, &profile, name)
        }
        Prompt::Set {
            key,
            name,
            text,
            file,
        } => {
            let person = Person::find(shell, key).await?;
            let text = read(text, file)?;
            let field = Field::Prompt(name);
            let command = here::set(&field, text.into());
            person.change(shell, &field, command).await
        }
        Prompt::Unset { key, name } => {
            let person = Person::find(shell, key).await?;
            person.unset(shell, &format!("prompts.{name}")).await
        }
    }
}

fn get(shell: &Shell, profile: &EffectiveProfile, name: Option<PromptName>) -> Result<(), Failure> {
    let output = &shell.output;
    let only = name.map(Field::Prompt);
    refuse_absent(profile, only.as_ref())?;
    let mut fields = view::fields(profile, only.as_ref());
    fields.retain(ProfileField::is_prompt);
    if output.json {
        let texts: Map<_, _> = fields.into_iter().map(|it| (it.field, it.value)).collect();
        output.data(&texts);
        return Ok(());
    }
    for (place, it) in fields.iter().enumerate() {
        if only.is_none() {
            let gap = if place == 0 { "" } else { "\n" };
            let heading = format!("{} ({})", it.field, it.layer.as_str());
            output.line(format_args!("{gap}{}", output.paint.bold(&heading)));
        }
        output.line(plain(&it.value));
    }
    Ok(())
}

/// The text from the command line, from a file or from standard input. The line break at its end
/// belongs to the file and not to the text.
fn read(text: Option<String>, file: Option<PathBuf>) -> Result<String, Failure> {
    let from = |source: &mut dyn Read, name: &str| {
        let mut bytes = Vec::new();
        let read = source.take(MAX_READ).read_to_end(&mut bytes);
        read.map_err(|error| Failure::new(format!("{name} cannot be read: {error}")))?;
        if bytes.len() as u64 == MAX_READ {
            return Err(Failure::new(format!(
                "{name} is much longer than a prompt may be"
            )));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(text.trim_end_matches(['\n', '\r']).to_owned()),
            Err(_) => Err(Failure::new(format!("{name} is not a text (UTF-8)"))),
        }
    };
    match (text, file) {
        (_, Some(path)) => {
            let name = path.display().to_string();
            let mut file = std::fs::File::open(&path)
                .map_err(|error| Failure::new(format!("{name} cannot be read: {error}")))?;
            from(&mut file, &name)
        }
        (Some(text), None) if text != "-" => Ok(text),
        _ => from(&mut std::io::stdin().lock(), "standard input"),
    }
}
