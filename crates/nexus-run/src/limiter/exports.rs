//! Bundles that are being made: one a person, and a few at all.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use nexus_core::PublicKey;

use super::{Limiter, lock};

/// How many are made at the same time.
const MOST: usize = 8;

/// Who is being served.
#[derive(Debug, Default)]
pub(super) struct Exports(Mutex<HashSet<PublicKey>>);

/// Why no bundle is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportRefused {
    /// This person has one already.
    #[error(
        "a bundle of yours is being sent already: read it to its end, or wait until it is given up"
    )]
    InProgress,
    /// Others have all that there may be.
    #[error("this server makes as many bundles as it can at a time: try again in a moment")]
    Busy,
}

/// A bundle that is being made. Dropping it makes room for the next.
pub struct ExportPlace {
    limiter: Arc<Limiter>,
    owner: PublicKey,
}

impl Limiter {
    /// Begins a bundle.
    ///
    /// # Errors
    /// When there is no room.
    pub fn begin_export(self: &Arc<Self>, owner: PublicKey) -> Result<ExportPlace, ExportRefused> {
        let mut owners = lock(&self.exports.0);
        if owners.contains(&owner) {
            return Err(ExportRefused::InProgress);
        }
        if owners.len() >= MOST {
            return Err(ExportRefused::Busy);
        }
        owners.insert(owner);
        let limiter = Arc::clone(self);
        Ok(ExportPlace { limiter, owner })
    }
}

impl Drop for ExportPlace {
    fn drop(&mut self) {
        lock(&self.limiter.exports.0).remove(&self.owner);
    }
}
