//! Everything that is stored about one person, as lines of JSON that anybody can check.
//!
//! Each line is `{"kind": …, "data": …}`. The first names the format, the person and the moment;
//! then come `identity`, `session`, `api_key`, `usage`, `audit` and `message` lines; `audit` is what
//! is on record by or about the person, oldest first, and messages are newest first. An `unreadable`
//! line names an entry or a message between them that cannot be read.
//! The last is `{"kind": "end", "records": n, "sha256": …, "signer": …, "signature": …}`: the hash is
//! of every byte before that line, and the signature (EIP-191, by the key of this installation) is
//! over the hash as 64 hexadecimal digits. A bundle without its last line is not whole.

use std::sync::Arc;

use chrono::NaiveDate;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use nexus_api::audit::AuditEntry;
use nexus_api::auth::Session;
use nexus_api::key::ApiKey;
use nexus_api::message::Message;
use nexus_api::usage::Usage;
use nexus_core::auth::SigningKey;
use nexus_core::{Member, Timestamp, hex};
use nexus_store::{Cursor, Store, StoreError};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

/// How many messages or entries are read at a time.
const PAGE: u32 = 200;

/// Stores compare days as text, which needs years of four digits.
const FIRST_DAY: NaiveDate = year_start(1);
const LAST_DAY: NaiveDate = year_start(9999);

const fn year_start(year: i32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, 1, 1) {
        Some(day) => day,
        None => NaiveDate::MIN,
    }
}

/// Makes bundles.
#[derive(Clone)]
pub struct Export {
    /// Where it is stored.
    pub store: Arc<dyn Store>,
    /// With which the installation signs.
    pub signing_key: SigningKey,
    /// When the bundle is made.
    pub at: Timestamp,
}

/// What is read next.
enum Place {
    Start,
    /// After this entry.
    Audit(u64),
    Messages(Option<Cursor>),
    End,
    Over,
}

struct State {
    export: Export,
    member: Member,
    place: Place,
    records: u64,
    hash: Sha256,
}

impl Export {
    /// The lines of a person's bundle, each with its line break. They are read as they are taken,
    /// so a bundle may be larger than the memory.
    #[must_use]
    pub fn lines(self, member: Member) -> BoxStream<'static, Result<String, StoreError>> {
        let state = State {
            export: self,
            member,
            place: Place::Start,
            records: 0,
            hash: Sha256::new(),
        };
        let pieces = stream::try_unfold(state, async |mut state| {
            let lines: Option<Vec<String>> = state.next().await?;
            Ok::<_, StoreError>(lines.map(|lines| (stream::iter(lines).map(Ok), state)))
        });
        pieces.try_flatten().boxed()
    }
}

impl State {
    async fn next(&mut self) -> Result<Option<Vec<String>>, StoreError> {
        match self.place {
            Place::Start => {
                self.place = Place::Audit(0);
                self.start().await.map(Some)
            }
            Place::Audit(after) => {
                let (store, key) = (&self.export.store, self.member.public_key);
                let page = store.audit_about(key, after, PAGE).await?;
                self.place = page.next.map_or(Place::Messages(None), Place::Audit);
                let entries = page.entries.into_iter().map(AuditEntry::from);
                let mut lines: Vec<_> = entries.map(|it| self.line("audit", &it)).collect();
                let unreadable = page.unreadable.iter();
                lines.extend(unreadable.map(|it| self.line("unreadable", it)));
                Ok(Some(lines))
            }
            Place::Messages(before) => {
                let store = &self.export.store;
                let page = store.messages(&self.member, PAGE, before).await?;
                self.place = page
                    .next
                    .map_or(Place::End, |next| Place::Messages(Some(next)));
                let messages = page.messages.into_iter().map(Message::from);
                let mut lines: Vec<_> = messages.map(|it| self.line("message", &it)).collect();
                let unreadable = page.unreadable.iter();
                lines.extend(unreadable.map(|it| self.line("unreadable", it)));
                Ok(Some(lines))
            }
            Place::End => {
                self.place = Place::Over;
                Ok(Some(vec![self.end()]))
            }
            Place::Over => Ok(None),
        }
    }

    async fn start(&mut self) -> Result<Vec<String>, StoreError> {
        let store = Arc::clone(&self.export.store);
        let key = self.member.public_key;
        let header = json!({
            "format": "nexus-export-1",
            "public_key": key,
            "exported_at": self.export.at,
        });
        let mut lines = vec![self.line("export", &header)];
        let identity = self.member.to_json();
        lines.push(self.line("identity", &identity));
        for session in store.sessions(key).await? {
            lines.push(self.line("session", &Session::from(session)));
        }
        for api_key in store.api_keys(key).await? {
            lines.push(self.line("api_key", &ApiKey::from(api_key)));
        }
        for usage in store.usage(key, FIRST_DAY, LAST_DAY).await? {
            lines.push(self.line("usage", &Usage::from(usage)));
        }
        Ok(lines)
    }

    fn line(&mut self, kind: &str, data: &impl Serialize) -> String {
        let mut line = json!({ "kind": kind, "data": data }).to_string();
        line.push('\n');
        self.records += 1;
        self.hash.update(&line);
        line
    }

    fn end(&self) -> String {
        let digest = hex::encode(&self.hash.clone().finalize());
        let key = &self.export.signing_key;
        let end = json!({
            "kind": "end",
            "records": self.records,
            "sha256": digest,
            "signer": key.public_key(),
            "signature": key.sign_message(digest.as_bytes()).to_string(),
        });
        format!("{end}\n")
    }
}
