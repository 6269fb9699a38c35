//! Templates of the original that are wrapped in `config_data`.

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use nexus_core::Environment;
use nexus_core::genesis::GenesisDoc;

use super::{Change, Concern, Findings, Original};
use crate::StoreError;
use crate::installation::{ENVIRONMENTS, Step};
use crate::mongo::documents::{self, BOOKKEEPING};
use crate::mongo::fault::conflict;
use crate::mongo::write::raw;

/// A template that Nexus has not stored: nothing looked at it yet.
#[derive(Clone, Debug)]
pub struct UncheckedTemplate {
    /// Whose.
    pub environment: Environment,
    /// What it says, out of its wrapper.
    pub doc: GenesisDoc,
}

impl Original {
    /// The templates that the original left. One that Nexus stored was checked then, with its plan
    /// shown, so it is left out; so is one that [`survey`](Self::survey) reports.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unchecked_templates(&self) -> Result<Vec<UncheckedTemplate>, StoreError> {
        let mut unchecked = Vec::new();
        for environment in ENVIRONMENTS {
            let query = doc! {"environment": environment.as_str()};
            let found = self.data.configurations.find(query);
            let found: Vec<_> = found.limit(2).await?.try_collect().await?;
            let [only] = &*found else { continue };
            let Ok(template) = documents::template(only, environment) else {
                continue;
            };
            let is_clear = !matches!(unwrapped(only)?, Form::Unclear(_));
            if template.version == 0 && is_clear {
                unchecked.push(UncheckedTemplate {
                    environment,
                    doc: template.doc,
                });
            }
        }
        Ok(unchecked)
    }

    /// There are two or three of them.
    pub(super) async fn templates(
        &self,
        step: Step,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let found = self.data.configurations.find(doc! {});
        let found: Vec<_> = found.sort(doc! {"_id": 1}).await?.try_collect().await?;
        findings
            .documents
            .insert("configurations", found.len() as u64);
        let name = |document: &RawDocumentBuf| match document.get_str("environment") {
            Ok(name) => name.to_owned(),
            Err(_) => "no environment".to_owned(),
        };
        let names: Vec<_> = found.iter().map(name).collect();
        for (document, name) in found.iter().zip(&names) {
            let known = ENVIRONMENTS.into_iter().find(|it| it.as_str() == name);
            let Some(environment) = known else {
                findings.concern(Concern::Template, || {
                    format!("{name}: Nexus knows the environments development and production")
                });
                continue;
            };
            if names.iter().filter(|other| *other == name).count() > 1 {
                findings.concern(Concern::Template, || {
                    format!("{name}: there is more than one document for it")
                });
                continue;
            }
            match unwrapped(document)? {
                Form::Flat => {}
                Form::Unclear(field) => findings.concern(Concern::Template, || {
                    format!(
                        "{name}: {field} is inside config_data, and cannot move to the top level, \
                         where it is taken or means something else"
                    )
                }),
                Form::Wrapped(flat) => {
                    findings.change(Change::UnwrapTemplate, || name.clone());
                    if step == Step::Writing {
                        self.unwrap(document, &flat, environment).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The document as it was is kept, as when a template is replaced.
    async fn unwrap(
        &self,
        document: &RawDocumentBuf,
        flat: &Document,
        environment: Environment,
    ) -> Result<(), StoreError> {
        let version = documents::template_version(document, environment)?.version;
        self.data.archive(document, version).await?;
        let bson = |name| {
            let value = document.get(name).ok().flatten();
            value.and_then(|value| Bson::try_from(value).ok())
        };
        let unchanged = doc! {"_id": bson("_id"), "config_data": bson("config_data")};
        let configurations = &self.data.configurations;
        let replaced = configurations.find_one_and_replace(unchanged, raw(flat)?);
        match replaced.await? {
            Some(_) => Ok(()),
            None => Err(conflict(format!("the {environment} template"))),
        }
    }
}

enum Form {
    /// As Nexus writes it.
    Flat,
    /// As it will be.
    Wrapped(Document),
    /// This field would change its meaning.
    Unclear(String),
}

fn unwrapped(document: &RawDocumentBuf) -> Result<Form, StoreError> {
    let whole = Document::try_from(document).map_err(mongodb::error::Error::from)?;
    let Ok(inner) = whole.get_document("config_data") else {
        return Ok(Form::Flat);
    };
    let mut flat = Document::new();
    for (key, value) in &whole {
        match key.as_str() {
            "config_data" => {
                for (key, value) in inner {
                    let is_same = whole.get(key) == Some(value);
                    let is_taken = whole.contains_key(key) || BOOKKEEPING.contains(&key.as_str());
                    if is_taken && !is_same {
                        return Ok(Form::Unclear(key.clone()));
                    }
                    flat.insert(key, value.clone());
                }
            }
            _ => _ = flat.insert(key, value.clone()),
        }
    }
    Ok(Form::Wrapped(flat))
}
