//! `nexus identity quarantine list|delete`: documents that cannot be read, here or at a server.

use http::Method;
use nexus_api::identity::Erased;
use nexus_api::quarantine::{Collection, QuarantinePage, Unreadable};
use nexus_store::Store;

use super::{confirm, tell_erased};
use crate::cli::{Quarantine, Remote as Arguments};
use crate::failure::Failure;
use crate::output::{Output, columns, printable};
use crate::remote::{Call, CallError, Remote, understood};
use crate::{Shell, here, wire};

const PATH: &str = "/api/v1/admin/quarantine";

/// How many documents are looked at in one go.
const PART: u32 = 1_000;

pub(super) async fn run(shell: &Shell, command: Quarantine) -> Result<(), Failure> {
    match command {
        Quarantine::List(at) => {
            let found = match at.remote() {
                Some(remote) => there(&remote).await?,
                None => here(&*wire::open_existing(&shell.settings).await?).await?,
            };
            list(&shell.output, &found);
            Ok(())
        }
        Quarantine::Delete {
            id,
            collection,
            yes,
            at,
        } => {
            if !collection.is_deletable() {
                return Err(Failure::new(format!("nothing is ever deleted of {collection}"))
                    .hint("a template that cannot be read is followed by the next one: `nexus template apply FILE`"));
            }
            let question = match collection {
                Collection::Identities => {
                    format!("Delete the identity {id} with everything that belongs to it?")
                }
                _ => format!("Delete {id} of {collection}?"),
            };
            if !yes && !confirm(shell, &printable(&question))? {
                shell.output.note("nothing was deleted");
                return Ok(());
            }
            let erased = match at.remote() {
                Some(remote) => delete_there(&remote, collection, &id).await?,
                None => {
                    let store = wire::open_existing(&shell.settings).await?;
                    let administration = here::administration(&*store);
                    administration.delete_unreadable(collection, &id).await?
                }
            };
            let erased = erased.ok_or_else(|| {
                Failure::new(format!(
                    "no document of {collection} with the id {id} is unreadable"
                ))
                .hint("`nexus identity quarantine list` shows those that are")
            })?;
            tell_erased(shell, &erased);
            Ok(())
        }
    }
}

/// Names what a list has left out, and says what to do.
pub(crate) fn name(output: &Output, unreadable: &[Unreadable]) {
    for it in unreadable {
        let text = format!("{} cannot be read and is left out: {}", it.what, it.reason);
        output.warn(printable(&text));
    }
    if !unreadable.is_empty() {
        output.note(
            "`nexus identity quarantine list` shows what cannot be read; `nexus identity quarantine \
             delete ID` deletes it",
        );
    }
}

/// Everything that cannot be read in a store.
async fn here(store: &dyn Store) -> Result<Vec<Unreadable>, Failure> {
    let mut all = Vec::new();
    for collection in Collection::ALL {
        let mut after = None;
        loop {
            let page = store.unreadable(collection, after, PART).await?;
            all.extend(page.unreadable);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(all)
}

/// Everything that cannot be read at a server.
async fn there(arguments: &Arguments) -> Result<Vec<Unreadable>, Failure> {
    let remote = Remote::open(arguments)?;
    let mut all = Vec::new();
    for collection in Collection::ALL {
        let mut path = format!("{PATH}?collection={collection}");
        loop {
            let part: QuarantinePage = remote.read(&path).await?;
            all.extend(part.unreadable);
            match part.next_after {
                Some(after) => {
                    let after = encoded(&after);
                    path = format!("{PATH}?collection={collection}&after={after}");
                }
                None => break,
            }
        }
    }
    Ok(all)
}

async fn delete_there(
    arguments: &Arguments,
    collection: Collection,
    id: &str,
) -> Result<Option<Erased>, Failure> {
    let remote = Remote::open(arguments)?;
    let path = format!("{PATH}/{collection}/{}", encoded(id));
    let call = Call::new(Method::DELETE, &path);
    match remote.send_signed(call, &remote.key()?).await {
        Ok(answer) => understood(answer).map(Some),
        Err(CallError::Refused(refused)) if refused.error.code == "not_found" => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

/// A text as a part of an address.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte.into());
            }
            _ => encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
    encoded
}

fn list(output: &Output, found: &[Unreadable]) {
    if output.json {
        output.data(&found);
        return;
    }
    if found.is_empty() {
        output.note("everything can be read");
        return;
    }
    let heading = ["COLLECTION", "ID", "WHAT", "REASON"].map(str::to_owned);
    let row = |it: &Unreadable| {
        [it.collection.as_str(), &it.id, &it.what, &it.reason]
            .map(|text| printable(text).into_owned())
            .to_vec()
    };
    let rows: Vec<_> = std::iter::once(heading.to_vec())
        .chain(found.iter().map(row))
        .collect();
    for line in columns(&rows) {
        output.line(line);
    }
    output.note(
        "Each of these hides only itself. Correct it in the database, or delete it with `nexus \
         identity quarantine delete ID --collection NAME`.",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_an_address_is_encoded() {
        assert_eq!(encoded("0xaB_c-1.~"), "0xaB_c-1.~");
        assert_eq!(encoded("a/b?c=d&e é%"), "a%2Fb%3Fc%3Dd%26e%20%C3%A9%25");
    }
}
