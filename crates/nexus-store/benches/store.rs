//! What it costs to store a message so that it is durable, and to read a history, in the embedded store.

#![expect(clippy::unwrap_used, reason = "a benchmark ends where it cannot go on")]

use std::sync::atomic::{AtomicU64, Ordering};

use divan::Bencher;
use nexus_core::{
    Identity, Message, MessageId, Metadata, PublicKey, Role, RunId, Standing, Timestamp,
};
use nexus_store::{EmbeddedStore, IdentityStore as _, MessageStore as _};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// What is there before.
const MESSAGES: u64 = 1000;

fn main() {
    divan::main();
}

/// A store with one member who has said something.
struct Place {
    runtime: Runtime,
    store: EmbeddedStore,
    member: Identity,
    _folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().build().unwrap();
        let folder = TempDir::new().unwrap();
        let store = EmbeddedStore::open(folder.path()).unwrap();
        let key = PublicKey::from_bytes([0xab; 20]);
        let member = store.create_identity(key, Standing::Active, now());
        let member = runtime.block_on(member).unwrap().identity;
        let place = Self {
            runtime,
            store,
            member,
            _folder: folder,
        };
        for _ in 0..MESSAGES {
            place.append();
        }
        place
    }

    fn append(&self) {
        let message = message(self.member.public_key);
        let stored = self.store.append(&self.member, message);
        self.runtime.block_on(stored).unwrap();
    }
}

fn now() -> Timestamp {
    Timestamp::from_timestamp_millis(1_700_000_000_000).unwrap()
}

fn run(number: u64) -> RunId {
    RunId::try_from(format!("run_{number:032x}")).unwrap()
}

fn message(owner_key: PublicKey) -> Message {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Message {
        id: MessageId::try_from(format!("msg_{number:032x}")).unwrap(),
        run_id: run(number / 2),
        owner_key,
        role: if number.is_multiple_of(2) {
            Role::Human
        } else {
            Role::Ai
        },
        content: "A sentence of the usual length, as people write them. ".repeat(4),
        timestamp: now(),
        metadata: Metadata::empty(),
    }
}

/// One message, on disk when it returns.
#[divan::bench]
fn append(bencher: Bencher<'_, '_>) {
    let place = Place::new();
    bencher.bench_local(|| place.append());
}

/// The newest messages of a long conversation.
#[divan::bench(args = [20, 100])]
fn history(bencher: Bencher<'_, '_>, limit: u32) {
    let place = Place::new();
    let except = run(u64::MAX);
    bencher.bench_local(|| {
        let history = place.store.history(&place.member, limit, &except);
        place.runtime.block_on(history).unwrap().len()
    });
}
