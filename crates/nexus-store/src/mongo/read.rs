//! What is asked of the database. Each is one query.

use futures_util::TryStreamExt;
use mongodb::Collection as Documents;
use mongodb::bson::raw::{RawBsonRef, RawDocument};
use mongodb::bson::{Bson, Document, RawDocumentBuf, Timestamp, doc};
use nexus_core::{
    Environment, Identity, Message, MessageId, PublicKey, RunId, Session, TokenDigest,
};

use super::changes::Changes;
use super::data::{Data, newest_first};
use super::{documents, quarantine};
use crate::quarantine::sorted;
use crate::{
    Collection, Cursor, IdentityPage, MAX_PAGE_BYTES, MessagePage, StoreError, StoredTemplate,
    TemplateVersion, Unreadable,
};

/// Roles that a model is shown, also as the original Python NEXUS wrote them.
const SPOKEN: [&str; 6] = ["human", "ai", "HUMAN", "AI", "Human", "Ai"];

impl Data {
    /// A document with every change that this node knows of: its own, and those that were
    /// acknowledged before its lease was asked for.
    pub(super) async fn find(
        &self,
        changes: &Changes,
        collection: &Documents<RawDocumentBuf>,
        filter: Document,
    ) -> Result<Option<RawDocumentBuf>, StoreError> {
        let mut session = self.client.start_session().await?;
        if let Some(reached) = changes.reached() {
            session.advance_operation_time(reached);
        }
        let found = collection.find_one(filter).session(&mut session);
        Ok(found.await?)
    }

    pub(super) async fn template(
        &self,
        changes: &Changes,
        environment: Environment,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        let filter = doc! {"environment": environment.as_str()};
        let found = self.find(changes, &self.configurations, filter).await?;
        found
            .map(|document| documents::template(&document, environment))
            .transpose()
    }

    /// The current document, or else the one that was kept of that version.
    pub(super) async fn template_version(
        &self,
        environment: Environment,
        version: u64,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        if let Some(current) = self.current(environment).await?
            && self.books(&current, environment).await?.version == version
        {
            return documents::template(&current, environment).map(Some);
        }
        let filter = doc! {"environment": environment.as_str(), "version": number(version)};
        let found = self.versions.find_one(filter).await?;
        found
            .map(|document| documents::template(&document, environment))
            .transpose()
    }

    /// What was kept, and the current version should nobody have kept it yet: the original wrote
    /// it, or its writer has just been stopped.
    pub(super) async fn template_versions(
        &self,
        environment: Environment,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TemplateVersion>, StoreError> {
        let before = before.unwrap_or(u64::MAX);
        let kept = Query {
            filter: doc! {"environment": environment.as_str(), "version": {"$lt": number(before)}},
            sort: doc! {"environment": 1, "version": -1},
            skip: 0,
            limit: limit.max(1).into(),
        };
        let books = doc! {"version": 1, "author": 1, "created_at": 1, "hash": 1};
        let kept = kept.project(&self.versions, books).await?;
        let kept = kept
            .iter()
            .map(|document| documents::books(document, environment));
        let mut versions: Vec<_> = kept.collect();
        if let Some(current) = self.current(environment).await? {
            let current = self.books(&current, environment).await?;
            let is_kept = versions
                .first()
                .is_some_and(|newest| newest.version >= current.version);
            if current.version < before && !is_kept {
                versions.insert(0, current);
                versions.truncate(limit.max(1) as usize);
            }
        }
        Ok(versions)
    }

    /// The store's books about the current template. Where its number cannot be read, it is that of
    /// the newest version that was kept.
    pub(super) async fn books(
        &self,
        current: &RawDocument,
        environment: Environment,
    ) -> Result<TemplateVersion, StoreError> {
        let mut books = documents::books(current, environment);
        if documents::template_version(current, environment).is_err() && books.version == 0 {
            let newest = self
                .versions
                .find_one(doc! {"environment": environment.as_str()})
                .sort(doc! {"environment": 1, "version": -1});
            if let Some(newest) = newest.await? {
                books.version = documents::books(&newest, environment).version;
            }
        }
        Ok(books)
    }

    async fn current(
        &self,
        environment: Environment,
    ) -> Result<Option<RawDocumentBuf>, StoreError> {
        let filter = doc! {"environment": environment.as_str()};
        Ok(self.configurations.find_one(filter).await?)
    }

    pub(super) async fn identity(
        &self,
        changes: &Changes,
        key: PublicKey,
    ) -> Result<Option<Identity>, StoreError> {
        let filter = doc! {"public_key": key.to_string()};
        let found = self.find(changes, &self.identities, filter).await?;
        found
            .map(|document| documents::identity(&document))
            .transpose()
    }

    pub(super) async fn identities(
        &self,
        after: Option<String>,
        limit: u32,
    ) -> Result<IdentityPage, StoreError> {
        let filter = doc! {"public_key": {"$gt": after.unwrap_or_default()}};
        self.identity_page(filter, limit).await
    }

    pub(super) async fn identity_page(
        &self,
        filter: Document,
        limit: u32,
    ) -> Result<IdentityPage, StoreError> {
        let query = Query {
            filter,
            sort: doc! {"public_key": 1},
            skip: 0,
            limit: one_more(limit),
        };
        let (documents, has_more) = page(query.run(&self.identities).await?, limit);
        let last = documents.last().filter(|_| has_more);
        let next = last.and_then(|last| last.get_str("public_key").ok());
        let read = |document| documents::identity(document);
        let (identities, unreadable) = readable(&documents, Collection::Identities, read)?;
        Ok(IdentityPage {
            identities,
            unreadable,
            next: next.map(str::to_owned),
        })
    }

    pub(super) async fn history(
        &self,
        owner: PublicKey,
        limit: u32,
        except: &RunId,
    ) -> Result<Vec<Message>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new()); // To MongoDB, a limit of 0 is none.
        }
        let query = Query {
            filter: doc! {
                "owner_key": owner.to_string(),
                "role": {"$in": SPOKEN.to_vec()},
                "content": {"$ne": ""},
                "run_id": {"$ne": except.as_str()},
            },
            sort: newest_first(doc! {}),
            skip: 0,
            limit: limit.into(),
        };
        let newest = query.run(&self.messages).await?;
        let read = |document| documents::message(document, owner);
        let (mut messages, _) = readable(&newest, Collection::Messages, read)?;
        messages.reverse();
        Ok(messages)
    }

    pub(super) async fn has_message(
        &self,
        owner: PublicKey,
        id: &MessageId,
    ) -> Result<bool, StoreError> {
        let filter = doc! {"_id": id.as_str(), "owner_key": owner.to_string()};
        Ok(self.messages.find_one(filter).await?.is_some())
    }

    pub(super) async fn messages(
        &self,
        owner: PublicKey,
        limit: u32,
        before: Option<Cursor>,
    ) -> Result<MessagePage, StoreError> {
        let filter = doc! {"owner_key": owner.to_string()};
        self.message_page(filter, owner, limit, before).await
    }

    pub(super) async fn run_messages(
        &self,
        owner: PublicKey,
        run: &RunId,
        limit: u32,
        before: Option<Cursor>,
    ) -> Result<MessagePage, StoreError> {
        let filter = doc! {"owner_key": owner.to_string(), "run_id": run.as_str()};
        self.message_page(filter, owner, limit, before).await
    }

    /// Looks by the run: an id is the name of a document only where Nexus wrote it.
    pub(super) async fn place(
        &self,
        owner: PublicKey,
        run: &RunId,
        id: &MessageId,
    ) -> Result<Option<Cursor>, StoreError> {
        let owner = owner.to_string();
        let filter = doc! {"owner_key": &owner, "run_id": run.as_str(), "id": id.as_str()};
        let Some(found) = self.messages.find_one(filter).await? else {
            return Ok(None);
        };
        let name = found.get("_id").map_err(mongodb::error::Error::from)?;
        let name: Option<Bson> = name.and_then(|name| name.try_into().ok());
        let place = match (end(std::slice::from_ref(&found), None), name) {
            (Some(Place::Older { timestamp, .. }), Some(name)) => {
                let at = mongodb::bson::DateTime::from_millis(timestamp.cast_signed());
                let same = doc! {
                    "owner_key": owner, "seq": null, "timestamp": at, "_id": {"$gte": name},
                };
                let taken = self.messages.count_documents(same).await?;
                let taken = u32::try_from(taken).unwrap_or(u32::MAX);
                Some(Place::Older { timestamp, taken })
            }
            (place, _) => place,
        };
        Ok(place.map(Cursor::from))
    }

    async fn message_page(
        &self,
        mut filter: Document,
        owner: PublicKey,
        limit: u32,
        before: Option<Cursor>,
    ) -> Result<MessagePage, StoreError> {
        let mut skip = 0;
        let before = before.map(Place::from);
        match before {
            None => {}
            Some(Place::Arrived(seq)) => {
                // Not `$lt`, which would leave out the messages without a `seq`.
                filter.insert("seq", doc! {"$not": {"$gte": seq}});
            }
            Some(Place::Older { timestamp, taken }) => {
                let timestamp = mongodb::bson::DateTime::from_millis(timestamp.cast_signed());
                filter.extend(doc! {"seq": null, "timestamp": {"$lte": timestamp}});
                skip = taken;
            }
        }
        let query = Query {
            filter,
            sort: newest_first(doc! {}),
            skip: skip.into(),
            limit: one_more(limit),
        };
        let (found, is_full) = query.run_within(&self.messages, MAX_PAGE_BYTES).await?;
        let (found, has_more) = page(found, limit);
        let has_more = has_more || is_full;
        let read = |document| documents::message(document, owner);
        let (messages, unreadable) = readable(&found, Collection::Messages, read)?;
        Ok(MessagePage {
            messages,
            unreadable,
            next: end(&found, before).filter(|_| has_more).map(Cursor::from),
        })
    }

    pub(super) async fn session(
        &self,
        changes: &Changes,
        digest: TokenDigest,
    ) -> Result<Option<Session>, StoreError> {
        let filter = doc! {"_id": documents::session_id(digest)};
        let found = self.find(changes, &self.sessions, filter).await?;
        found
            .map(|document| documents::session(&document, digest))
            .transpose()
    }

    /// How many identities and messages there are, from the database's own books.
    pub(super) async fn counts(&self) -> Result<(u64, u64), StoreError> {
        let identities = self.identities.estimated_document_count().await?;
        Ok((identities, self.messages.estimated_document_count().await?))
    }
}

/// The documents that can be read, and those that cannot.
pub(super) fn readable<'a, T>(
    documents: &'a [RawDocumentBuf],
    collection: Collection,
    read: impl Fn(&'a RawDocument) -> Result<T, StoreError>,
) -> Result<(Vec<T>, Vec<Unreadable>), StoreError> {
    let found = documents
        .iter()
        .map(|document| quarantine::found(read(document), document, collection));
    Ok(sorted(found.collect::<Result<Vec<_>, _>>()?))
}

/// A query for several documents.
pub(super) struct Query {
    pub(super) filter: Document,
    pub(super) sort: Document,
    pub(super) skip: u64,
    pub(super) limit: i64,
}

impl Query {
    pub(super) async fn run(
        self,
        collection: &Documents<RawDocumentBuf>,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let found = collection
            .find(self.filter)
            .sort(self.sort)
            .skip(self.skip)
            .limit(self.limit)
            .await?;
        Ok(found.try_collect().await?)
    }

    /// At least one document, and no more after that than fit into so many bytes. Whether there are
    /// some that do not.
    async fn run_within(
        self,
        collection: &Documents<RawDocumentBuf>,
        bytes: usize,
    ) -> Result<(Vec<RawDocumentBuf>, bool), StoreError> {
        let mut cursor = collection
            .find(self.filter)
            .sort(self.sort)
            .skip(self.skip)
            .limit(self.limit)
            .await?;
        let (mut found, mut size) = (Vec::new(), 0);
        while let Some(document) = cursor.try_next().await? {
            size += document.as_bytes().len();
            if size > bytes && !found.is_empty() {
                return Ok((found, true));
            }
            found.push(document);
        }
        Ok((found, false))
    }

    /// Only some fields of each document.
    async fn project(
        self,
        collection: &Documents<RawDocumentBuf>,
        fields: Document,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let found = collection
            .find(self.filter)
            .sort(self.sort)
            .limit(self.limit)
            .projection(fields)
            .await?;
        Ok(found.try_collect().await?)
    }
}

/// As BSON counts. No version is as large as the largest number.
fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// The last message of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The `seq` of a message of Nexus.
    Arrived(Timestamp),
    /// A message of the original: its timestamp in milliseconds, and how many with this timestamp
    /// have been on pages so far. Their number does not change any more.
    Older { timestamp: u64, taken: u32 },
}

/// Logical clocks show seconds since 1970 in the upper half, so all of them are larger than this.
const ARRIVED: u64 = 1 << 62;

/// How many messages with the same timestamp a cursor can count.
const TAKEN_BITS: u32 = 20;

impl From<Place> for Cursor {
    fn from(place: Place) -> Self {
        let number = match place {
            Place::Arrived(seq) => (u64::from(seq.time) << 32) | u64::from(seq.increment),
            Place::Older { timestamp, taken } => {
                let timestamp = timestamp.min((ARRIVED >> TAKEN_BITS) - 1);
                (timestamp << TAKEN_BITS) | u64::from(taken.min((1 << TAKEN_BITS) - 1))
            }
        };
        Self(number.cast_signed())
    }
}

impl From<Cursor> for Place {
    #[expect(clippy::cast_possible_truncation, reason = "the number is taken apart")]
    fn from(Cursor(number): Cursor) -> Self {
        let number = number.cast_unsigned();
        if number >= ARRIVED {
            Self::Arrived(Timestamp {
                time: (number >> 32) as u32,
                increment: number as u32,
            })
        } else {
            Self::Older {
                timestamp: number >> TAKEN_BITS,
                taken: number as u32 & ((1 << TAKEN_BITS) - 1),
            }
        }
    }
}

/// Where a page that began after `before` ends. The order of types is that of BSON, newest first: a
/// message of the original whose timestamp is of another type comes before all dates, or after them.
fn end(found: &[RawDocumentBuf], before: Option<Place>) -> Option<Place> {
    let timestamp = |document: &RawDocumentBuf| {
        let at = document.get_datetime("timestamp").ok()?;
        Some(at.timestamp_millis().max(0).cast_unsigned())
    };
    let last = found.last()?;
    if let Ok(seq) = last.get_timestamp("seq") {
        return Some(Place::Arrived(seq));
    }
    let Some(at) = timestamp(last) else {
        let kind = last.get("timestamp").ok().flatten();
        let is_before_dates = matches!(
            kind,
            Some(RawBsonRef::Timestamp(_) | RawBsonRef::RegularExpression(_) | RawBsonRef::MaxKey)
        );
        return is_before_dates.then_some(Place::Older {
            timestamp: u64::MAX,
            taken: 0,
        });
    };
    let same = found
        .iter()
        .rev()
        .take_while(|document| timestamp(document) == Some(at));
    let earlier = match before {
        Some(Place::Older {
            timestamp: last,
            taken,
        }) if last == at => taken,
        _ => 0,
    };
    let taken = u32::try_from(same.count()).map_or(u32::MAX, |same| same.saturating_add(earlier));
    Some(Place::Older {
        timestamp: at,
        taken,
    })
}

/// A page holds at least one entry, or walking through the pages would never end.
pub(super) fn one_more(limit: u32) -> i64 {
    i64::from(limit.max(1)) + 1
}

/// Takes off the entry that was only read to know whether there are more.
pub(super) fn page<T>(mut found: Vec<T>, limit: u32) -> (Vec<T>, bool) {
    let size = limit.max(1) as usize;
    let has_more = found.len() > size;
    found.truncate(size);
    (found, has_more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_says_what_place_it_is() {
        for place in [
            Place::Arrived(Timestamp {
                time: 1_700_000_000,
                increment: 1,
            }),
            Place::Arrived(Timestamp {
                time: u32::MAX,
                increment: u32::MAX,
            }),
            Place::Older {
                timestamp: 0,
                taken: 1,
            },
            Place::Older {
                timestamp: 1_760_000_000_123,
                taken: (1 << TAKEN_BITS) - 1,
            },
        ] {
            assert_eq!(Place::from(Cursor::from(place)), place);
        }
    }
}
