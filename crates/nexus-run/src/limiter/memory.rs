//! The memory that requests take, in one budget for the whole process: bodies while they arrive, and
//! what was read of them for as long as their runs go on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use nexus_core::PublicKey;

use super::lock;

/// All requests together, in bytes.
const TOTAL: usize = 200 * 1024 * 1024;
/// One holder has at most one part in so many.
const SHARES: usize = 4;

/// On whose account memory is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A member.
    Member(PublicKey),
    /// All who are not members together: keys are free to make.
    Strangers,
}

/// There is not enough left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryFull {
    /// For anybody.
    #[error("this server has as many requests in its memory as it can hold: try again in a moment")]
    All,
    /// For this holder.
    #[error(
        "your other requests hold as much of this server's memory as one person may: try again \
         when one of them has ended"
    )]
    Share,
    /// For this request, whatever else goes on.
    #[error(
        "this request takes more of this server's memory than one person may have: send less at a time"
    )]
    Never,
}

/// A budget of bytes. Clones share it.
#[derive(Clone, Debug)]
pub struct RequestMemory {
    total: usize,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    by_holder: HashMap<Holder, usize>,
}

impl Default for RequestMemory {
    fn default() -> Self {
        Self::new(TOTAL)
    }
}

impl RequestMemory {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(total: usize) -> Self {
        Self {
            total,
            held: Arc::default(),
        }
    }

    /// Memory of this holder, none at first.
    #[must_use]
    pub fn reserve(&self, holder: Holder) -> Reserved {
        Reserved {
            memory: self.clone(),
            holder,
            bytes: 0,
        }
    }

    /// How much is taken.
    #[must_use]
    pub fn held(&self) -> usize {
        lock(&self.held).all
    }

    fn take(&self, holder: Holder, bytes: usize) -> Result<(), MemoryFull> {
        let mut held = lock(&self.held);
        let all = held.all.saturating_add(bytes);
        if all > self.total {
            return Err(MemoryFull::All);
        }
        let own = held.by_holder.entry(holder).or_default();
        let sum = own.saturating_add(bytes);
        if sum > self.total / SHARES {
            return Err(MemoryFull::Share);
        }
        *own = sum;
        held.all = all;
        Ok(())
    }

    fn give_back(&self, holder: Holder, bytes: usize) {
        let mut held = lock(&self.held);
        held.all = held.all.saturating_sub(bytes);
        if let Some(own) = held.by_holder.get_mut(&holder) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                held.by_holder.remove(&holder);
            }
        }
    }
}

/// Memory that a request has taken. Dropping it gives it back.
#[derive(Debug)]
pub struct Reserved {
    memory: RequestMemory,
    holder: Holder,
    bytes: usize,
}

impl Reserved {
    /// Takes more.
    ///
    /// # Errors
    /// When there is not enough left: then nothing more is taken.
    pub fn grow(&mut self, bytes: usize) -> Result<(), MemoryFull> {
        if self.bytes.saturating_add(bytes) > self.memory.total / SHARES {
            return Err(MemoryFull::Never);
        }
        self.memory.take(self.holder, bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.memory.give_back(self.holder, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Holder = Holder::Member(PublicKey::from_bytes([1; 20]));

    #[test]
    fn one_holder_has_a_quarter_and_everything_comes_back() {
        let memory = RequestMemory::new(400);
        let mut ada = memory.reserve(ADA);
        assert_eq!(ada.grow(100), Ok(()));
        assert_eq!(ada.grow(1), Err(MemoryFull::Never));
        let mut second = memory.reserve(ADA);
        assert_eq!(second.grow(1), Err(MemoryFull::Share));
        drop(ada);
        assert_eq!(second.grow(100), Ok(()));
        let others = (2..5).map(|byte| {
            let holder = Holder::Member(PublicKey::from_bytes([byte; 20]));
            let mut other = memory.reserve(holder);
            assert_eq!(other.grow(100), Ok(()));
            other
        });
        let others: Vec<_> = others.collect();
        assert_eq!(
            memory.reserve(Holder::Strangers).grow(1),
            Err(MemoryFull::All)
        );
        drop((second, others));
        assert_eq!(memory.held(), 0);
        assert!(lock(&memory.held).by_holder.is_empty());
    }
}
