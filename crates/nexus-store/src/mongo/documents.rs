//! From documents to values. What somebody edited by hand into something unreadable is an error
//! that names it. What the original Python NEXUS wrote is read as it is.

use std::fmt::Display;

use chrono::DateTime;
use mongodb::bson::raw::{RawBsonRef, RawDocument};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{self, Binary};
use nexus_core::genesis::GenesisDoc;
use nexus_core::{
    Environment, Identity, Message, MessageId, Metadata, Overrides, PublicKey, Role, RunId, Scope,
    Session, Timestamp, TokenDigest,
};
use serde_json::{Map, Value};

use super::json;
use crate::installation::WholeIdentity;
use crate::{StoreError, StoredTemplate, TemplateVersion};

/// What a store adds to the top level of a template.
pub(super) const BOOKKEEPING: [&str; 5] = ["_id", "version", "author", "created_at", "hash"];

pub(super) fn identity(document: &RawDocument) -> Result<Identity, StoreError> {
    let WholeIdentity {
        public_key,
        created_at,
        metadata,
        config_overrides,
        prompt_overrides,
        version,
    } = whole_identity(document)?;
    Ok(Identity {
        public_key,
        created_at,
        overrides: Overrides::from_stored(&config_overrides, &prompt_overrides),
        metadata,
        version,
    })
}

/// Nothing of its maps left out.
pub(super) fn whole_identity(document: &RawDocument) -> Result<WholeIdentity, StoreError> {
    let key = document.get_str("public_key").unwrap_or("without a key");
    let read = Read {
        document,
        what: &format_args!("identity {key}"),
    };
    Ok(WholeIdentity {
        config_overrides: read.object("config_overrides")?,
        prompt_overrides: read.object("prompt_overrides")?,
        public_key: key.parse().map_err(|error| read.corrupt(error))?,
        created_at: read.time("created_at")?,
        metadata: read.object("metadata")?,
        version: read.version()?,
    })
}

pub(super) fn message(document: &RawDocument, owner_key: PublicKey) -> Result<Message, StoreError> {
    let id = document.get_str("id").unwrap_or("without an id");
    let read = Read {
        document,
        what: &format_args!("message {id}"),
    };
    let role = read.text("role")?;
    Ok(Message {
        id: MessageId::try_from(id.to_owned()).map_err(|error| read.corrupt(error))?,
        run_id: RunId::try_from(read.text("run_id")?.to_owned())
            .map_err(|error| read.corrupt(format_args!("run_id: {error}")))?,
        owner_key,
        role: Role::parse(role).ok_or_else(|| {
            read.corrupt(format_args!(
                "role is {role:?}, expected human, ai, tool or system"
            ))
        })?,
        content: read.text("content")?.to_owned(),
        timestamp: read.time("timestamp")?,
        metadata: Metadata::from(read.object("metadata")?),
    })
}

/// A template as Nexus or the original wrote it, or a person by hand: whoever wrote it need not
/// have kept Nexus's books.
pub(super) fn template(
    document: &RawDocument,
    environment: Environment,
) -> Result<StoredTemplate, StoreError> {
    let read = Read {
        document,
        what: &format_args!("the {environment} template"),
    };
    let mut fields = json::to_object(document).map_err(|error| read.corrupt(error))?;
    for key in BOOKKEEPING {
        fields.shift_remove(key);
    }
    let doc = GenesisDoc::new(fields);
    let books = template_version(document, environment)?;
    Ok(StoredTemplate {
        environment,
        version: books.version,
        author: books.author,
        created_at: books.created_at,
        hash: if books.hash.is_empty() {
            doc.hash()
        } else {
            books.hash
        },
        doc,
    })
}

/// The store's books about a template, without the template. The original kept none.
pub(super) fn template_version(
    document: &RawDocument,
    environment: Environment,
) -> Result<TemplateVersion, StoreError> {
    let read = Read {
        document,
        what: &format_args!("the {environment} template"),
    };
    Ok(TemplateVersion {
        version: read.version()?,
        author: read.optional_text("author")?.unwrap_or_default().to_owned(),
        created_at: match read.field("created_at")? {
            Some(_) => read.time("created_at")?,
            None => read.made(),
        },
        hash: read.optional_text("hash")?.unwrap_or_default().to_owned(),
    })
}

pub(super) fn session(document: &RawDocument, digest: TokenDigest) -> Result<Session, StoreError> {
    let owner = document.get_str("owner_key").unwrap_or("nobody");
    let read = Read {
        document,
        what: &format_args!("a session of {owner}"),
    };
    Ok(Session {
        digest,
        owner_key: owner.parse().map_err(|error| read.corrupt(error))?,
        scope: match read.optional_text("scope")? {
            None => Scope::Personal,
            Some(scope) => Scope::parse(scope).ok_or_else(|| {
                read.corrupt(format_args!(
                    "scope is {scope:?}, expected personal or admin"
                ))
            })?,
        },
        created_at: read.time("created_at")?,
        expires_at: read.time("expires_at")?,
    })
}

/// The name of a session's document.
pub(super) fn session_id(digest: TokenDigest) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: digest.as_bytes().to_vec(),
    }
}

/// A moment as MongoDB keeps it, in milliseconds.
pub(super) fn moment(at: Timestamp) -> bson::DateTime {
    bson::DateTime::from_millis(at.timestamp_millis())
}

/// A document, and what to call it when it cannot be read.
struct Read<'a> {
    document: &'a RawDocument,
    what: &'a dyn Display,
}

impl<'a> Read<'a> {
    fn corrupt(&self, reason: impl Display) -> StoreError {
        StoreError::Corrupt {
            what: self.what.to_string(),
            reason: reason.to_string(),
        }
    }

    fn unexpected(&self, name: &str, found: Option<RawBsonRef<'_>>, expected: &str) -> StoreError {
        match found {
            None => self.corrupt(format_args!("{name} is missing, expected {expected}")),
            Some(found) => {
                let kind = found.element_type();
                self.corrupt(format_args!(
                    "{name} is of type {kind:?}, expected {expected}"
                ))
            }
        }
    }

    fn field(&self, name: &str) -> Result<Option<RawBsonRef<'a>>, StoreError> {
        let field = self.document.get(name);
        field.map_err(|error| self.corrupt(format_args!("{name}: {error}")))
    }

    fn text(&self, name: &str) -> Result<&'a str, StoreError> {
        self.optional_text(name)?
            .ok_or_else(|| self.unexpected(name, None, "a text"))
    }

    fn optional_text(&self, name: &str) -> Result<Option<&'a str>, StoreError> {
        match self.field(name)? {
            None => Ok(None),
            Some(RawBsonRef::String(text)) => Ok(Some(text)),
            found => Err(self.unexpected(name, found, "a text")),
        }
    }

    fn time(&self, name: &str) -> Result<Timestamp, StoreError> {
        let found = self.field(name)?;
        let moment = match found {
            Some(RawBsonRef::DateTime(at)) => {
                DateTime::from_timestamp_millis(at.timestamp_millis())
            }
            _ => None,
        };
        moment.ok_or_else(|| self.unexpected(name, found, "a date"))
    }

    /// When the document was made, as its `_id` tells; the beginning of time if it does not.
    fn made(&self) -> Timestamp {
        let id = self.document.get_object_id("_id").ok();
        let at = id.map_or(0, |id| id.timestamp().timestamp_millis());
        DateTime::from_timestamp_millis(at).unwrap_or_default()
    }

    /// 0 in documents of the original, which has no versions. The shell may have made it a double.
    fn version(&self) -> Result<u64, StoreError> {
        let found = self.field("version")?;
        let count = match found {
            None => Some(0),
            Some(RawBsonRef::Int32(number)) => Some(number.into()),
            Some(RawBsonRef::Int64(number)) => Some(number),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole and small, as checked"
            )]
            Some(RawBsonRef::Double(number)) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Some(number as i64)
            }
            _ => None,
        };
        count
            .and_then(|count| u64::try_from(count).ok())
            .ok_or_else(|| self.unexpected("version", found, "a number that is 0 or more"))
    }

    /// An object; an empty one when it is missing, as in documents of the original.
    fn object(&self, name: &str) -> Result<Map<String, Value>, StoreError> {
        match self.field(name)? {
            None => Ok(Map::new()),
            Some(RawBsonRef::Document(object)) => json::to_object(object)
                .map_err(|error| self.corrupt(format_args!("{name}: {error}"))),
            found => Err(self.unexpected(name, found, "an object")),
        }
    }
}
