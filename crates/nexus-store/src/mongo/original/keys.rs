//! Keys of providers that the original kept in its templates.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use nexus_core::Environment;

use super::Original;
use crate::StoreError;
use crate::mongo::fault::conflict;
use crate::mongo::write::raw;

impl Original {
    /// Lets providers of a template name the variables that hold their keys: provider to variable.
    /// Done in the document itself, so that no version of it that is kept has the key.
    ///
    /// # Errors
    /// When somebody changes the document meanwhile, or the database does not answer.
    pub async fn name_keys(
        &self,
        environment: Environment,
        variables: &BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        let configurations = &self.data.configurations;
        let found = configurations.find(doc! {"environment": environment.as_str()});
        let found: Vec<_> = found.await?.try_collect().await?;
        for document in found {
            let stored = Document::try_from(&document).map_err(mongodb::error::Error::from)?;
            let mut named = stored.clone();
            for path in [&["llm"][..], &["config_data", "llm"]] {
                name(&mut named, path, variables);
            }
            if named == stored {
                continue;
            }
            let part = |name: &str| stored.get(name).cloned().unwrap_or(Bson::Null);
            let unchanged = doc! {
                "_id": part("_id"), "llm": part("llm"), "config_data": part("config_data"),
            };
            let replaced = configurations.find_one_and_replace(unchanged, raw(&named)?);
            if replaced.await?.is_none() {
                return Err(conflict(format!("the {environment} template")));
            }
        }
        Ok(())
    }
}

fn name(document: &mut Document, path: &[&str], variables: &BTreeMap<String, String>) {
    let mut part = document;
    for key in path.iter().chain(&["providers"]) {
        let Ok(next) = part.get_document_mut(key) else {
            return;
        };
        part = next;
    }
    for (provider, variable) in variables {
        if let Ok(row) = part.get_document_mut(provider) {
            row.insert("api_key", format!("${{{variable}}}"));
        }
    }
}
