//! A real store that can be told to stop answering.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nexus_store::StoreError;
use nexus_test_support::store::Observer;

#[derive(Default)]
pub(crate) struct Fragility {
    is_down: AtomicBool,
    panics: AtomicBool,
    pings: AtomicUsize,
}

impl Fragility {
    /// From now on, nothing is answered.
    pub(crate) fn stop(&self) {
        self.is_down.store(true, Ordering::SeqCst);
    }

    /// From now on, everything is answered again.
    pub(crate) fn start(&self) {
        self.is_down.store(false, Ordering::SeqCst);
    }

    /// How often it was asked whether it is there.
    pub(crate) fn pings(&self) -> usize {
        self.pings.load(Ordering::SeqCst)
    }

    /// From now on, reading messages panics.
    pub(crate) fn panic(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }
}

impl Observer for Fragility {
    fn before(&self, call: &'static str) -> Result<(), StoreError> {
        if call == "ping" {
            self.pings.fetch_add(1, Ordering::SeqCst);
        }
        if self.is_down.load(Ordering::SeqCst) {
            let reason = "disk sda1 burns".to_owned();
            return Err(StoreError::Unavailable { reason });
        }
        assert!(
            call != "messages" || !self.panics.load(Ordering::SeqCst),
            "the secret of the store"
        );
        Ok(())
    }
}
