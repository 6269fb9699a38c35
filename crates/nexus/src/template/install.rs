//! Stores a template: the first one as it is written, a later one only when nobody is in the way.

use std::sync::Arc;

use futures_util::future::join_all;
use nexus_core::Provider;
use nexus_core::catalog::{Credential, Endpoint, Protocol, Timeouts};
use nexus_core::genesis::{Checked, GenesisDoc, Problem, Problems};
use nexus_llm::Reachability;
use nexus_store::{NewTemplate, Store, StoreError, StoredTemplate};
use url::Url;

use super::Draft;
use crate::cli::Source;
use crate::failure::Failure;
use crate::probe::Probed;
use crate::wire::Client;
use crate::{Shell, here};

/// Who `nexus init` says it is. A template by anybody else has been edited.
const AUTHOR: &str = "nexus init";

/// Where servers on one's own machine listen: Ollama, llama.cpp, LM Studio.
const LOCAL_ADDRESSES: [&str; 3] = [
    "http://127.0.0.1:11434/v1",
    "http://127.0.0.1:8080/v1",
    "http://127.0.0.1:1234/v1",
];

/// What the person at the terminal decided.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    pub(crate) default_model: Option<String>,
    pub(crate) force: bool,
}

/// What became of the template.
pub(crate) enum Outcome {
    /// The stored one says the same already.
    UpToDate(StoredTemplate),
    /// It is stored now, after `before`.
    Stored {
        before: Option<StoredTemplate>,
        now: StoredTemplate,
        warnings: Vec<Problem>,
    },
    /// Somebody edited the stored one, so it stays.
    Edited {
        stored: StoredTemplate,
        wanted: GenesisDoc,
    },
}

/// Stores the template that comes with the program, if there is none yet.
pub(crate) async fn ensure(
    shell: &Shell,
    store: &Arc<dyn Store>,
    client: &Client,
) -> Result<(), Failure> {
    match store.template(shell.settings.environment).await {
        // One that cannot be read is there all the same: the last good version stands in for it.
        Ok(Some(_)) | Err(StoreError::Corrupt { .. }) => return Ok(()),
        Ok(None) => {}
        Err(error) => return Err(error.into()),
    }
    let draft = Draft::read(&Source::default())?;
    match install(shell, &**store, client, draft, Choice::default()).await {
        Ok(_) => Ok(()),
        // Another process that starts at the same time has done it.
        Err(_) if store.template(shell.settings.environment).await?.is_some() => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Stores a template.
pub(crate) async fn install(
    shell: &Shell,
    store: &dyn Store,
    client: &Client,
    mut draft: Draft,
    choice: Choice,
) -> Result<Outcome, Failure> {
    let stored = store.template(shell.settings.environment).await?;
    settle_address(client, &mut draft.doc, stored.as_ref()).await;
    let checked = settle_model(
        shell,
        client,
        &mut draft,
        stored.as_ref(),
        choice.default_model,
    )
    .await?;
    if let Some(stored) = &stored {
        if stored.doc.hash() == draft.doc.hash() {
            return Ok(Outcome::UpToDate(stored.clone()));
        }
        let is_edited = stored.author != AUTHOR || stored.hash != stored.doc.hash();
        if is_edited && !choice.force {
            return Ok(Outcome::Edited {
                stored: stored.clone(),
                wanted: draft.doc,
            });
        }
    }
    let administration = here::administration(store);
    let new = NewTemplate {
        environment: shell.settings.environment,
        doc: draft.doc,
        author: AUTHOR.to_owned(),
        created_at: administration.at,
    };
    let expected = stored.as_ref().map(|stored| stored.version);
    let before = stored.as_ref().and_then(|it| it.doc.hash().parse().ok());
    match administration.put_template(new, expected, before).await {
        Ok(now) => Ok(Outcome::Stored {
            before: stored,
            now,
            warnings: checked.warnings,
        }),
        Err(StoreError::Conflict { .. }) => Err(Failure::new(
            "somebody else stored a template at the same time",
        )
        .hint("run the command again")),
        Err(error) => Err(error.into()),
    }
}

/// The mistakes of a template, as a failure.
fn mistakes(problems: &Problems) -> Failure {
    Failure::new(format!("{problems}\nnothing was stored"))
        .hint("`nexus template check FILE` looks for mistakes without storing anything")
}

/// Decides who is asked for people who chose nobody. It does not change by itself once it is
/// stored: a provider that is out of reach for a while must not change everybody's model.
async fn settle_model(
    shell: &Shell,
    client: &Client,
    draft: &mut Draft,
    stored: Option<&StoredTemplate>,
    wanted: Option<String>,
) -> Result<Checked, Failure> {
    let secrets = shell.settings.secrets();
    let check = |draft: &Draft| draft.check(&secrets).map_err(|error| mistakes(&error));
    if let Some(name) = wanted {
        draft.doc.set_default_model(&name);
        return check(draft);
    }
    let default_of = |doc| text_at(doc, "user_defaults", "/config/model").map(str::to_owned);
    if let Some(name) = stored.and_then(|stored| default_of(&stored.doc)) {
        let written = default_of(&draft.doc);
        draft.doc.set_default_model(&name);
        if let Ok(checked) = draft.check(&secrets) {
            return Ok(checked);
        }
        // The new catalog does not have it any more, or has other mistakes.
        draft.doc.set_default_model(&written.unwrap_or_default());
    }
    let checked = check(draft)?;
    let probed = Probed::ask(client, &checked.genesis).await;
    match probed.first_reachable(&checked.genesis) {
        Some(model) => {
            draft.doc.set_default_model(&model.name);
            check(draft)
        }
        None => Ok(checked),
    }
}

/// Finds the server on this machine, where the template has the usual address. Once it is stored it
/// stays.
async fn settle_address(client: &Client, doc: &mut GenesisDoc, stored: Option<&StoredTemplate>) {
    let is_usual = |address: &str| LOCAL_ADDRESSES.contains(&address);
    if text_at(doc, "llm", "/providers/local/base_url") != Some(LOCAL_ADDRESSES[0]) {
        return;
    }
    let stored = stored.and_then(|it| text_at(&it.doc, "llm", "/providers/local/base_url"));
    let address = match stored {
        Some(address) => is_usual(address).then_some(address),
        None => {
            let answers = join_all(LOCAL_ADDRESSES.map(|address| serves_models(client, address)));
            let answers = answers.await;
            let mut answering = LOCAL_ADDRESSES.into_iter().zip(answers);
            answering.find_map(|(address, answers)| answers.then_some(address))
        }
    };
    let llm = doc.as_map_mut().get_mut("llm");
    let row = llm.and_then(|llm| llm.pointer_mut("/providers/local/base_url"));
    if let (Some(address), Some(base_url)) = (address, row) {
        *base_url = address.into();
    }
}

async fn serves_models(client: &Client, address: &str) -> bool {
    let Ok(base_url) = Url::parse(address) else {
        return false;
    };
    let provider = Provider {
        name: "local".into(),
        endpoint: Endpoint::Remote {
            protocol: Protocol::OpenAi,
            base_url,
            credential: Credential::NotNeeded,
        },
        timeouts: Timeouts::default(),
    };
    matches!(client.probe(&provider).await, Reachability::Ready { models } if !models.is_empty())
}

/// A text in a section of the document, by its JSON Pointer there.
fn text_at<'a>(doc: &'a GenesisDoc, section: &str, pointer: &str) -> Option<&'a str> {
    doc.as_map().get(section)?.pointer(pointer)?.as_str()
}
