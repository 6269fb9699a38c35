//! Through a collection in the order of `_id`, a page at a time: read, judge, write what is still as
//! it was read, and read again if something was not.

use std::collections::HashSet;

use mongodb::Collection;
use mongodb::bson::raw::RawDocument;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::options::Hint;

use super::{Change, Concern, Original, Work};
use crate::StoreError;
use crate::installation::Step;
use crate::mongo::fault::{DUPLICATE_KEY, conflict};
use crate::mongo::write::raw;

/// How many documents are read and written at a time.
const PAGE: u32 = 1000;

/// How often a page is read again because somebody else changes its documents at the same time.
const ROUNDS: usize = 20;

/// How the documents of one collection are judged.
pub(super) struct Rules {
    /// The collection, for people.
    pub(super) what: &'static str,
    pub(super) judge: fn(&RawDocument, collisions: &HashSet<String>) -> Verdict,
}

/// What is to be done about one document.
#[derive(Default)]
pub(super) struct Verdict {
    /// Each with how it is named in a report.
    pub(super) changes: Vec<(Change, String)>,
    /// The old values, and the new ones.
    pub(super) condition: Document,
    pub(super) set: Document,
    pub(super) concern: Option<(Concern, String)>,
}

impl Verdict {
    /// Plans a change of one field, if it still is what it was.
    pub(super) fn plan(
        &mut self,
        change: Change,
        name: String,
        (field, old, new): (&str, Bson, Bson),
    ) {
        self.condition.insert(field, old);
        self.set.insert(field, new);
        if self.changes.iter().all(|(planned, _)| *planned != change) {
            self.changes.push((change, name));
        }
    }

    /// The document as it would be.
    pub(super) fn outcome(&self, document: &RawDocument) -> Result<RawDocumentBuf, StoreError> {
        if self.set.is_empty() {
            return Ok(document.to_owned());
        }
        let mut outcome = Document::try_from(document).map_err(mongodb::error::Error::from)?;
        outcome.extend(self.set.clone());
        raw(&outcome)
    }
}

/// What became of the writes of a page.
struct Written {
    /// How many documents were still as they had been read.
    matched: usize,
    /// Places of writes that would have made a unique key a second time.
    taken: Vec<usize>,
}

impl Original {
    pub(super) async fn pages(
        &self,
        work: &mut Work<'_, '_>,
        collection: &Collection<RawDocumentBuf>,
        rules: &Rules,
    ) -> Result<(), StoreError> {
        let total = collection.estimated_document_count().await?;
        let mut done = 0;
        let mut last = None;
        loop {
            let page = self.page(work, collection, rules, last.as_ref()).await?;
            if page.is_empty() {
                break;
            }
            done += page.len() as u64;
            last = page.last().map(id);
            work.tell(rules, done, total);
        }
        work.findings.documents.insert(rules.what, done);
        Ok(())
    }

    /// Deals with a page until nothing in it has changed since it was read, and gives it.
    async fn page(
        &self,
        work: &mut Work<'_, '_>,
        collection: &Collection<RawDocumentBuf>,
        rules: &Rules,
        last: Option<&Bson>,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let mut told = HashSet::new();
        for _ in 0..ROUNDS {
            let page = read(collection, last).await?;
            let mut planned = Vec::new();
            for document in &page {
                let verdict = (rules.judge)(document, &work.collisions);
                if (verdict.concern.is_some() || !verdict.changes.is_empty())
                    && told.insert(id(document).to_string())
                {
                    for (change, name) in &verdict.changes {
                        work.findings.change(*change, || name.clone());
                    }
                    if let Some((concern, name)) = &verdict.concern {
                        work.findings.concern(*concern, || name.clone());
                    }
                }
                if !verdict.set.is_empty() {
                    planned.push((document, verdict));
                }
            }
            if work.step != Step::Writing || planned.is_empty() {
                return Ok(page);
            }
            let written = self.write(collection.name(), &planned).await?;
            for place in &written.taken {
                // Somebody registered the address while we were at it.
                if let Some((document, _)) = planned.get(*place)
                    && let Ok(key) = document.get_str("public_key")
                {
                    let lower = key.to_ascii_lowercase();
                    work.findings
                        .concern(Concern::Collision, || format!("{key} and {lower}"));
                    work.collisions.insert(lower);
                }
            }
            if written.matched == planned.len() {
                return Ok(page);
            }
        }
        Err(conflict(format!(
            "some of the {}, again and again by somebody else,",
            rules.what
        )))
    }

    async fn write(
        &self,
        collection: &str,
        planned: &[(&RawDocumentBuf, Verdict)],
    ) -> Result<Written, StoreError> {
        let updates: Vec<Document> = planned
            .iter()
            .map(|(document, verdict)| {
                let mut condition = doc! {"_id": id(document)};
                condition.extend(verdict.condition.clone());
                doc! {"q": condition, "u": {"$set": verdict.set.clone()}}
            })
            .collect();
        let command = doc! {
            "update": collection,
            "updates": updates,
            "ordered": false,
            "writeConcern": {"w": "majority", "j": true, "wtimeout": 10_000},
        };
        let answer = self.data.database.run_command(command).await?;
        if answer.contains_key("writeConcernError") {
            return Err(StoreError::Unavailable {
                reason: "no majority of the database has confirmed the changes in time".to_owned(),
            });
        }
        let mut taken = Vec::new();
        for error in answer.get_array("writeErrors").into_iter().flatten() {
            let error = error.as_document();
            let number = |name| error.and_then(|error| error.get_i32(name).ok());
            match (number("index"), number("code")) {
                (Some(index), Some(DUPLICATE_KEY)) => taken.extend(usize::try_from(index)),
                (_, code) => {
                    let code = code.unwrap_or_default();
                    return Err(StoreError::Unavailable {
                        reason: format!("the database refuses a change ({code})"),
                    });
                }
            }
        }
        let matched = answer.get_i32("n").unwrap_or_default();
        Ok(Written {
            matched: usize::try_from(matched).unwrap_or_default(),
            taken,
        })
    }
}

/// The page behind `last`. Not by `$gt`, which only finds what has the same type, and an `_id` may
/// have any.
pub(super) async fn read(
    collection: &Collection<RawDocumentBuf>,
    last: Option<&Bson>,
) -> Result<Vec<RawDocumentBuf>, StoreError> {
    let by_id = doc! {"_id": 1};
    let mut find = collection
        .find(doc! {})
        .sort(by_id.clone())
        .hint(Hint::Keys(by_id))
        .limit(i64::from(PAGE) + 1);
    if let Some(last) = last {
        find = find.min(doc! {"_id": last});
    }
    let mut cursor = find.await?;
    let mut page = Vec::new();
    while cursor.advance().await? {
        page.push(cursor.current().to_owned());
    }
    // `min` is where it begins, so the one before comes once more.
    if last.is_some_and(|last| page.first().is_some_and(|first| id(first) == *last)) {
        page.remove(0);
    }
    page.truncate(PAGE as usize);
    Ok(page)
}

/// Every stored document has one.
pub(super) fn id(document: &RawDocumentBuf) -> Bson {
    let id = document.get("_id").ok().flatten();
    id.and_then(|id| Bson::try_from(id).ok())
        .unwrap_or(Bson::Null)
}
