//! Where a template is looked at: in the database of this machine, or at a server.

use std::sync::Arc;

use nexus_api::template::{
    Environment, Problem, Template, TemplateVersion, VersionDetail, VersionPage,
};
use nexus_core::genesis::GenesisDoc;
use nexus_store::{Store, StoredTemplate};

use crate::cli::At;
use crate::failure::Failure;
use crate::remote::{CallError, Remote, understood};
use crate::{Shell, wire};

/// How many versions are read at a time.
const PAGE: u32 = 500;

/// Where the template is at a server.
pub(super) const PATH: &str = "/api/v1/admin/template";

pub(super) enum Place {
    Here {
        store: Arc<dyn Store>,
        environment: Environment,
        /// What people call it.
        name: String,
    },
    There(Box<Remote>),
}

/// The template that is stored now.
pub(super) struct Current {
    pub(super) stored: StoredTemplate,
    /// What is to be told about it.
    pub(super) remarks: Vec<String>,
}

impl Place {
    pub(super) async fn open(shell: &Shell, at: At) -> Result<Self, Failure> {
        Ok(match at.remote() {
            Some(arguments) => Self::There(Box::new(Remote::open(&arguments)?)),
            None => Self::Here {
                store: wire::open_existing(&shell.settings).await?,
                environment: shell.settings.environment,
                name: shell.settings.place(),
            },
        })
    }

    pub(super) async fn current(&self) -> Result<Current, Failure> {
        match self {
            Self::Here {
                store, environment, ..
            } => {
                let stored = store.template(*environment).await?;
                let stored = stored.ok_or_else(|| self.nothing(*environment))?;
                let is_edited = stored.hash != stored.doc.hash();
                let edited = "it was edited in the database after it was stored";
                Ok(Current {
                    stored,
                    remarks: is_edited.then(|| edited.to_owned()).into_iter().collect(),
                })
            }
            Self::There(remote) => {
                let answer: Template = remote.read(PATH).await?;
                let (environment, version) = (answer.environment, answer.version);
                let (Some(doc), Some(author), Some(created_at), Some(hash)) = (
                    answer.document,
                    answer.author,
                    answer.created_at,
                    answer.hash,
                ) else {
                    return Err(self.nothing(environment));
                };
                let remark = |problem: &Problem| format!("it cannot be used: {problem}");
                Ok(Current {
                    stored: StoredTemplate {
                        environment,
                        version,
                        doc: GenesisDoc::new(doc),
                        author,
                        created_at,
                        hash,
                    },
                    remarks: answer.problems.iter().map(remark).collect(),
                })
            }
        }
    }

    /// One version.
    pub(super) async fn find(&self, version: u64) -> Result<StoredTemplate, Failure> {
        let found = match self {
            Self::Here {
                store, environment, ..
            } => store.template_version(*environment, version).await?,
            Self::There(remote) => {
                let path = format!("{PATH}/versions/{version}");
                match remote.ask(&path).await {
                    Ok(answer) => Some(stored(understood(answer)?)),
                    Err(CallError::Refused(refused)) if refused.error.code == "not_found" => None,
                    Err(error) => return Err(error.into()),
                }
            }
        };
        found.ok_or_else(|| {
            let (place, flag) = match self {
                Self::Here { environment, .. } => (format!("for {environment}"), ""),
                Self::There(remote) => (format!("at {}", remote.connection.server), " --server"),
            };
            Failure::new(format!("there is no version {version} {place}"))
                .hint(format!("`nexus template history{flag}` lists them"))
        })
    }

    /// All of them, the newest first.
    pub(super) async fn versions(&self) -> Result<Vec<TemplateVersion>, Failure> {
        let mut all: Vec<TemplateVersion> = Vec::new();
        match self {
            Self::Here {
                store, environment, ..
            } => loop {
                let before = all.last().map(|oldest| oldest.version);
                let mut page = store.template_versions(*environment, before, PAGE).await?;
                if page.is_empty() && all.is_empty() {
                    return Err(self.nothing(*environment));
                }
                if page.is_empty() {
                    return Ok(all);
                }
                all.append(&mut page);
            },
            Self::There(remote) => {
                let mut path = format!("{PATH}/versions");
                loop {
                    let mut page: VersionPage = remote.read(&path).await?;
                    all.append(&mut page.versions);
                    match page.next_before {
                        Some(before) => path = format!("{PATH}/versions?before={before}"),
                        None => return Ok(all),
                    }
                }
            }
        }
    }

    fn nothing(&self, environment: Environment) -> Failure {
        match self {
            Self::Here { name, .. } => {
                Failure::new(format!("there is no template for {environment} in {name}")).hint(
                    format!("store one with `nexus init --environment {environment}`"),
                )
            }
            Self::There(remote) => Failure::new(format!(
                "there is no template for {environment} at {}, or not one that can be read",
                remote.connection.server
            ))
            .hint("`nexus template apply FILE --server` stores one"),
        }
    }
}

fn stored(answer: VersionDetail) -> StoredTemplate {
    let version = answer.version;
    StoredTemplate {
        environment: answer.environment,
        version: version.version,
        doc: GenesisDoc::new(answer.document),
        author: version.author,
        created_at: version.created_at,
        hash: version.hash,
    }
}
