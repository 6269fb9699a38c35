//! Who is registered, and who administers.

use nexus_core::PublicKey;
use nexus_store::{Store, StoreError};

use crate::Shell;

use super::report::{Area, Report};

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
        0 if page.has_more => report.skip("too many people to look for administrators"),
        0 => report.warn(
            "nobody is an administrator",
            "`nexus admin grant KEY` makes one, or `admins` in nexus.yml",
        ),
        number => report.ok(format!("administrators: {number}")),
    }
    Ok(())
}
