//! From documents to values. What somebody edited by hand into something unreadable is an error
//! that names it. What the original Python NEXUS wrote is read as it is.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta};
use mongodb::bson::raw::{RawBsonRef, RawDocument};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{self, Binary, Bson, RawDocumentBuf};
use nexus_core::genesis::GenesisDoc;
use nexus_core::{
    Environment, Identity, Label, Message, MessageId, Metadata, PublicKey, Role, RunId, Scope,
    Session, Standing, Timestamp, TokenDigest,
};
use serde_json::{Map, Value};

use super::data::{API_KEYS, SESSIONS};
use super::json;
use crate::installation::WholeIdentity;
use crate::{StoreError, StoredTemplate, Subject, TemplateVersion};

/// What a store adds to the top level of a template.
pub(super) const BOOKKEEPING: [&str; 5] = ["_id", "version", "author", "created_at", "hash"];

pub(super) fn identity(document: &RawDocument) -> Result<Identity, StoreError> {
    whole_identity(document).map(Identity::from)
}

/// Nothing of its maps left out.
pub(super) fn whole_identity(document: &RawDocument) -> Result<WholeIdentity, StoreError> {
    let key = document.get_str("public_key").unwrap_or("without a key");
    let read = Read {
        document,
        what: &format_args!("identity {key}"),
    };
    Ok(WholeIdentity {
        standing: match read.optional_text("standing")? {
            None => Standing::Active,
            Some(standing) => Standing::parse(standing).ok_or_else(|| {
                read.corrupt(format_args!(
                    "standing is {standing:?}, expected active, pending or disabled"
                ))
            })?,
        },
        is_admin: read.flag("is_admin")?,
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

/// The store's books about a template, without the template, or why they cannot be read.
pub(super) fn template_version(
    document: &RawDocument,
    environment: Environment,
) -> Result<TemplateVersion, StoreError> {
    let read = Read {
        document,
        what: &format_args!("the {environment} template"),
    };
    read.version()?;
    read.optional_text("author")?;
    read.optional_text("hash")?;
    if read.field("created_at")?.is_some() {
        read.time("created_at")?;
    }
    Ok(books(document, environment))
}

/// The number of a template exactly as it is stored, whatever it is.
pub(super) fn stored_version(document: &RawDocument) -> Option<Bson> {
    let stored = document.get("version").ok()??.try_into().ok()?;
    Some(stored).filter(|stored| *stored != Bson::Null)
}

/// The same. The original kept none, and what cannot be read counts as not kept: a template can
/// always be followed by another.
pub(super) fn books(document: &RawDocument, environment: Environment) -> TemplateVersion {
    let read = Read {
        document,
        what: &format_args!("the {environment} template"),
    };
    let text = |name| read.optional_text(name).ok().flatten();
    TemplateVersion {
        version: read.version().unwrap_or_default(),
        author: text("author").unwrap_or_default().to_owned(),
        created_at: read.time("created_at").unwrap_or_else(|_| read.made()),
        hash: text("hash").unwrap_or_default().to_owned(),
    }
}

pub(super) fn session(document: &RawDocument, digest: TokenDigest) -> Result<Session, StoreError> {
    let owner = document.get_str("owner_key").unwrap_or("nobody");
    let read = Read {
        document,
        what: &format_args!("a session of {owner}"),
    };
    let created_at = read.time("created_at")?;
    let idle = read.optional_count("idle_ms")?;
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
        created_at,
        last_seen_at: read.optional_time("last_seen_at")?.unwrap_or(created_at),
        idle: idle.map(|idle| TimeDelta::milliseconds(idle.cast_signed())),
        expires_at: read.time("expires_at")?,
        client: Label::cut(read.optional_text("client")?.unwrap_or_default()),
    })
}

/// The name of a session's document.
pub(super) fn session_id(digest: TokenDigest) -> Binary {
    binary(digest.as_bytes())
}

/// The digest that a session's document is named by.
pub(super) fn session_digest(document: &RawDocument) -> Result<TokenDigest, StoreError> {
    let read = Read {
        document,
        what: &"a session",
    };
    read.digest("_id")
}

/// What a counter's document says.
pub(super) fn total(document: &RawDocument) -> Result<u64, StoreError> {
    let read = Read {
        document,
        what: &"a counter",
    };
    read.count("total")
}

pub(super) fn binary(bytes: &[u8]) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    }
}

/// The version of the form of the data.
pub(super) fn schema(document: &RawDocument) -> Result<i64, StoreError> {
    let read = Read {
        document,
        what: &"the schema version",
    };
    let version = read.version()?;
    i64::try_from(version).map_err(|error| read.corrupt(error))
}

/// The name of any document.
pub(super) fn id(document: &RawDocumentBuf) -> Option<Bson> {
    document.get("_id").ok()??.try_into().ok()
}

/// What is remembered of the session or the API key with this name. A name that neither has, nobody
/// can have asked for.
pub(super) fn subject(collection: &str, id: &Bson) -> Option<Subject> {
    match (collection, id) {
        (SESSIONS, Bson::Binary(name)) if name.subtype == BinarySubtype::Generic => {
            let digest = name.bytes.as_slice().try_into().ok()?;
            Some(Subject::Session(TokenDigest::from_bytes(digest)))
        }
        (API_KEYS, Bson::String(name)) => name.parse().ok().map(Subject::ApiKey),
        _ => None,
    }
}

/// A moment as MongoDB keeps it, in milliseconds.
pub(super) fn moment(at: Timestamp) -> bson::DateTime {
    bson::DateTime::from_millis(at.timestamp_millis())
}

/// A document, and what to call it when it cannot be read.
pub(super) struct Read<'a> {
    pub(super) document: &'a RawDocument,
    pub(super) what: &'a dyn Display,
}

impl<'a> Read<'a> {
    pub(super) fn corrupt(&self, reason: impl Display) -> StoreError {
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

    pub(super) fn text(&self, name: &str) -> Result<&'a str, StoreError> {
        self.optional_text(name)?
            .ok_or_else(|| self.unexpected(name, None, "a text"))
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<&'a str>, StoreError> {
        match self.field(name)? {
            None | Some(RawBsonRef::Null) => Ok(None),
            Some(RawBsonRef::String(text)) => Ok(Some(text)),
            found => Err(self.unexpected(name, found, "a text")),
        }
    }

    pub(super) fn time(&self, name: &str) -> Result<Timestamp, StoreError> {
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

    pub(super) fn optional_time(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        match self.field(name)? {
            None | Some(RawBsonRef::Null) => Ok(None),
            Some(_) => self.time(name).map(Some),
        }
    }

    pub(super) fn parsed<T>(&self, name: &str) -> Result<T, StoreError>
    where
        T: FromStr<Err: Display>,
    {
        let parsed = self.text(name)?.parse();
        parsed.map_err(|error| self.corrupt(format_args!("{name}: {error}")))
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<&'a str>>, StoreError> {
        let expected = "a list of texts";
        let found = self.field(name)?;
        let items = match found {
            None | Some(RawBsonRef::Null) => return Ok(None),
            Some(RawBsonRef::Array(items)) => items,
            found => return Err(self.unexpected(name, found, expected)),
        };
        let texts = items.into_iter().map(|item| match item {
            Ok(RawBsonRef::String(text)) => Ok(text),
            _ => Err(self.unexpected(name, found, expected)),
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn digest(&self, name: &str) -> Result<TokenDigest, StoreError> {
        let found = self.field(name)?;
        let bytes = match found {
            Some(RawBsonRef::Binary(binary)) => binary.bytes.try_into().ok(),
            _ => None,
        };
        bytes
            .map(TokenDigest::from_bytes)
            .ok_or_else(|| self.unexpected(name, found, "32 bytes"))
    }

    /// False when it is missing.
    fn flag(&self, name: &str) -> Result<bool, StoreError> {
        match self.field(name)? {
            None => Ok(false),
            Some(RawBsonRef::Boolean(flag)) => Ok(flag),
            found => Err(self.unexpected(name, found, "true or false")),
        }
    }

    /// 0 in documents of the original, which has no versions.
    fn version(&self) -> Result<u64, StoreError> {
        Ok(self.optional_count("version")?.unwrap_or(0))
    }

    pub(super) fn count(&self, name: &str) -> Result<u64, StoreError> {
        self.optional_count(name)?
            .ok_or_else(|| self.unexpected(name, None, "a number that is 0 or more"))
    }

    /// The shell may have made it a double.
    pub(super) fn optional_count(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let found = self.field(name)?;
        let count = match found {
            None => return Ok(None),
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
            .map(Some)
            .ok_or_else(|| self.unexpected(name, found, "a number that is 0 or more"))
    }

    /// An object; an empty one when it is missing or null, as in documents of the original.
    pub(super) fn object(&self, name: &str) -> Result<Map<String, Value>, StoreError> {
        match self.field(name)? {
            None | Some(RawBsonRef::Null) => Ok(Map::new()),
            Some(RawBsonRef::Document(object)) => json::to_object(object)
                .map_err(|error| self.corrupt(format_args!("{name}: {error}"))),
            found => Err(self.unexpected(name, found, "an object")),
        }
    }
}
