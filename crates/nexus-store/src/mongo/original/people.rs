//! What the people of the original changed, as it will be read when their documents are in form.

use std::collections::HashSet;

use mongodb::bson::RawDocumentBuf;
use nexus_core::{Identity, Overrides, PublicKey};

use super::{Original, identities, pages};
use crate::StoreError;
use crate::mongo::documents;

impl Original {
    /// Shows every identity that can be read, a page at a time. Changes nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn each_identity(
        &self,
        show: &mut (dyn FnMut(PublicKey, &Overrides) + Send),
    ) -> Result<(), StoreError> {
        let mut last = None;
        loop {
            let page = pages::read(&self.data.identities, last.as_ref()).await?;
            let Some(end) = page.last() else {
                return Ok(());
            };
            for identity in page.iter().filter_map(in_form) {
                show(identity.public_key, &identity.overrides);
            }
            last = Some(pages::id(end));
        }
    }
}

/// An identity as it is, or as it will be. `None`: nothing makes it readable.
fn in_form(document: &RawDocumentBuf) -> Option<Identity> {
    let verdict = identities::judge(document, &HashSet::new());
    let outcome = verdict.outcome(document).ok()?;
    documents::identity(&outcome).ok()
}
