//! Who is registered, who administers, and what cannot be read.

use nexus_core::PublicKey;
use nexus_store::{Collection, Store, StoreError, Unreadable};

use crate::Shell;

use super::report::{Area, Report};

/// How many documents of each collection are looked at, and how many at a time.
const READ: u64 = 100_000;
const PART: u32 = 1_000;

/// How many documents that cannot be read are named.
const NAMED: usize = 20;

/// Among how many people administrators are looked for.
const LOOKED_AT: u32 = 1_000;

pub(super) async fn look(shell: &Shell, store: &dyn Store, report: &mut Report<'_>) {
    report.area(Area::People);
    if let Err(error) = count(shell, store, report).await {
        report.fail(
            format!("people cannot be read: {error}"),
            "look at the finding about the data",
        );
    }
    if let Err(error) = unreadable(store, report).await {
        report.fail(
            format!("what cannot be read is not known: {error}"),
            "look at the finding about the data",
        );
    }
}

/// Names the documents that cannot be read. Each of them hides only itself.
async fn unreadable(store: &dyn Store, report: &mut Report<'_>) -> Result<(), StoreError> {
    let mut found = Vec::new();
    for collection in Collection::ALL {
        let (mut after, mut read) = (None, 0);
        loop {
            let page = store.unreadable(collection, after, PART).await?;
            found.extend(page.unreadable);
            read += page.looked_at;
            after = page.next;
            if after.is_none() {
                break;
            }
            if read >= READ {
                report.skip(&format!(
                    "{collection}: {read} were looked at, and there are more"
                ));
                break;
            }
        }
    }
    for it in found.iter().take(NAMED) {
        report.warn(
            format!(
                "{} in {}, id {}, cannot be read: {}. Only this is hidden.",
                it.what, it.collection, it.id, it.reason
            ),
            advice(it),
        );
    }
    if found.len() > NAMED {
        report.warn(
            format!("{} more cannot be read", found.len() - NAMED),
            "`nexus identity quarantine list` names all of them",
        );
    }
    Ok(())
}

fn advice(it: &Unreadable) -> String {
    match it.collection {
        Collection::Configurations => {
            "it is followed by the next one: `nexus template apply FILE`".to_owned()
        }
        Collection::Audit => "`nexus audit verify` looks at the whole record".to_owned(),
        collection => format!(
            "correct it in the database, or delete it: `nexus identity quarantine delete {} \
             --collection {collection}`",
            it.id
        ),
    }
}

async fn count(
    shell: &Shell,
    store: &dyn Store,
    report: &mut Report<'_>,
) -> Result<(), StoreError> {
    let counts = store.count_identities().await?;
    let registered = counts.active + counts.pending + counts.disabled;
    if registered == 0 {
        report.warn(
            "nobody is registered yet",
            "`nexus identity new` registers the first, or people register themselves",
        );
    } else {
        report.ok(format!(
            "let in: {}, waiting: {}, locked out: {}",
            counts.active, counts.pending, counts.disabled
        ));
    }
    let page = store.identities(None, LOOKED_AT).await?;
    let granted = page.identities.iter().filter(|it| it.is_admin);
    let mut admins: Vec<PublicKey> = granted.map(|it| it.public_key).collect();
    for key in &shell.settings.admins {
        if store.identity(*key).await?.is_none() {
            report.warn(
                format!("{key} is named as an administrator, and is not registered"),
                "register that key, or take it out of `admins` in nexus.yml",
            );
        }
        if !admins.contains(key) {
            admins.push(*key);
        }
    }
    match admins.len() {
        0 if page.next.is_some() => report.skip("too many people to look for administrators"),
        0 => report.warn(
            "nobody is an administrator",
            "`nexus admin grant KEY` makes one, or `admins` in nexus.yml",
        ),
        number => report.ok(format!("administrators: {number}")),
    }
    Ok(())
}
