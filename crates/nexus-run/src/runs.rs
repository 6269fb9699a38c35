//! The runs in progress on this node, and what became of those that ended badly. The orchestrator
//! keeps it; the server's stop reads it.

use std::sync::atomic::{AtomicU64, Ordering};

/// The runs in progress on this node.
#[derive(Debug, Default)]
pub struct Runs {
    unsaved: AtomicU64,
}

impl Runs {
    /// How many answers, or parts of one, could not be stored since the server started.
    #[must_use]
    pub fn unsaved(&self) -> u64 {
        self.unsaved.load(Ordering::Relaxed)
    }
}
