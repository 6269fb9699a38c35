//! Reads a template from files. Prompt texts may stand in files of their own.

use std::path::{Path, PathBuf};

use nexus_core::Genesis;
use nexus_core::egress::Secrets;
use nexus_core::genesis::{Checked, GenesisDoc, Problem, Problems};
use serde_json::{Map, Value};

use crate::cli::Source;
use crate::failure::Failure;

const CONFIG: &str = include_str!("../../../../config.example.yml");
const PROMPTS: [(&str, &str); 3] = [
    ("persona.md", include_str!("../../../../prompts/persona.md")),
    ("system.md", include_str!("../../../../prompts/system.md")),
    ("tools.md", include_str!("../../../../prompts/tools.md")),
];

/// A template as it was written, with its prompt texts in it, and what was wrong with those.
pub(crate) struct Draft {
    pub(crate) doc: GenesisDoc,
    pub(crate) problems: Vec<Problem>,
    /// For which environment it says that it is, if it says so.
    pub(crate) environment: Option<Value>,
}

impl Draft {
    /// Reads the files that `source` names; what it does not name comes with the program.
    pub(crate) fn read(source: &Source) -> Result<Self, Failure> {
        let mut document = match &source.config {
            Some(path) => parse(&read_text(path)?, &path.display().to_string())?,
            None => parse(CONFIG, "config.example.yml")?,
        };
        let mut problems = Vec::new();
        let prompts = document
            .get_mut("user_defaults")
            .and_then(|defaults| defaults.get_mut("prompts"));
        for (name, prompt) in prompts.and_then(Value::as_object_mut).into_iter().flatten() {
            if let Value::Object(prompt) = prompt {
                let filled = fill(prompt, source.prompts.as_deref());
                problems.extend(filled.err().map(|(found, expected)| Problem {
                    pointer: format!("/user_defaults/prompts/{name}/content_file"),
                    found,
                    expected,
                }));
            }
        }
        Ok(Self {
            environment: document.get("environment").cloned(),
            doc: GenesisDoc::new(document),
            problems,
        })
    }

    /// Every mistake at once, those of the prompt files first.
    pub(crate) fn check(&self, secrets: &Secrets) -> Result<Checked, Problems> {
        match Genesis::check(&self.doc, secrets) {
            Ok(checked) if self.problems.is_empty() => Ok(checked),
            Ok(_) => Err(Problems(self.problems.clone())),
            Err(Problems(more)) => Err(Problems(
                self.problems.iter().cloned().chain(more).collect(),
            )),
        }
    }
}

/// Puts the text in the place of the name of its file.
fn fill(prompt: &mut Map<String, Value>, folder: Option<&Path>) -> Result<(), (String, String)> {
    let Some(file) = prompt.shift_remove("content_file") else {
        return Ok(());
    };
    if prompt.contains_key("content") {
        return Err((
            "a content beside it".to_owned(),
            "either content or content_file".to_owned(),
        ));
    }
    let text = prompt_text(&file, folder);
    let content = text.as_deref().unwrap_or_default().trim_end();
    prompt.shift_insert(0, "content".to_owned(), content.into());
    text.map(drop)
}

fn prompt_text(file: &Value, folder: Option<&Path>) -> Result<String, (String, String)> {
    let Some(name) = file.as_str() else {
        let expected = "the name of a file, such as persona.md".to_owned();
        return Err((file.to_string(), expected));
    };
    match folder {
        Some(folder) => {
            let path: PathBuf = folder.join(name);
            std::fs::read_to_string(&path).map_err(|error| {
                let found = format!("{name:?}, which cannot be read ({error})");
                (found, format!("a text file in {}", folder.display()))
            })
        }
        None => match PROMPTS.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Ok((*text).to_owned()),
            None => Err((
                format!("{name:?}"),
                "persona.md, system.md or tools.md, which come with the program; for files of your \
                 own name their folder with --prompts"
                    .to_owned(),
            )),
        },
    }
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("{} cannot be read: {error}", path.display())))
}

/// JSON is YAML too, but a JSON parser explains mistakes in JSON better.
fn parse(text: &str, name: &str) -> Result<Map<String, Value>, Failure> {
    let is_json = Path::new(name).extension().is_some_and(|it| it == "json");
    let value = if is_json {
        serde_json::from_str(text).map_err(|error| error.to_string())
    } else {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    };
    match value {
        Ok(Value::Object(document)) => Ok(document),
        Ok(_) => Err(Failure::new(format!(
            "{name} is not a template: it needs keys such as llm and user_defaults"
        ))
        .hint("config.example.yml shows a complete one")),
        Err(error) => Err(Failure::new(format!(
            "{name} cannot be understood: {error}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use nexus_core::Environment;

    use super::*;
    use crate::settings::egress::Egress;
    use crate::settings::key_file::KeyFile;

    #[test]
    fn the_shipped_template_has_no_mistakes_and_no_oddities() {
        let draft = Draft::read(&Source::default()).unwrap();
        let checked = draft
            .check(&Egress::default().secrets(Environment::Production, &KeyFile::none()))
            .unwrap();
        assert_eq!(checked.warnings, []);
        let prompts: Vec<_> = checked.genesis.prompts().iter().collect();
        let names: Vec<_> = prompts.iter().map(|block| block.name.as_str()).collect();
        assert_eq!(names, ["persona", "system", "tools"]);
        assert!(prompts.iter().all(|block| block.content.len() > 100));
        assert!(!draft.doc.as_map().contains_key("environment"));
    }
}
