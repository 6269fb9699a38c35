//! The connections that are open, and who makes room when there are too many: whoever has asked
//! nothing for longest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use nexus_core::limits::AddressBlock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::ConnectionLimits;

/// How long to wait for room before the next look at who could make it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The share of idle connections that goes at once, so that a flood does not cost a search for each.
const MAKE_ROOM: usize = 16;

/// Every open connection.
#[derive(Debug)]
pub(super) struct Connections {
    limits: Arc<ConnectionLimits>,
    free: Arc<Semaphore>,
    began: Instant,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    by_id: HashMap<u64, Arc<Activity>>,
    by_block: HashMap<AddressBlock, usize>,
}

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    block: AddressBlock,
    began: Instant,
    /// In milliseconds since `began`. 0: a request is on its way.
    idle_since: AtomicU64,
    /// Ends the connection when it does nothing.
    pub(super) close: CancellationToken,
}

/// The place of one connection. Dropped with it.
#[derive(Debug)]
pub(super) struct Slot {
    id: u64,
    pub(super) activity: Arc<Activity>,
    all: Arc<Connections>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connections {
    pub(super) fn new(limits: Arc<ConnectionLimits>) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(limits.connections)),
            limits,
            began: Instant::now(),
            open: Mutex::default(),
        })
    }

    /// Waits until there is room for one more.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                return Some(permit);
            }
            self.close_idle(None);
            tokio::select! {
                // The semaphore is never closed.
                permit = Arc::clone(&self.free).acquire_owned() => return permit.ok(),
                () = sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// A place for a connection from this address. `None`: it has too many, and all are in use.
    pub(super) fn place(
        self: &Arc<Self>,
        peer: IpAddr,
        permit: Option<OwnedSemaphorePermit>,
        shutdown: &CancellationToken,
    ) -> Option<Slot> {
        let block = AddressBlock::from(peer);
        let is_counted = !peer.to_canonical().is_loopback() && !self.limits.exempt.trusts(peer);
        let held = self.lock().by_block.get(&block).copied();
        if is_counted
            && held.unwrap_or_default() >= self.limits.per_address
            && self.close_idle(Some(block)) == 0
        {
            return None;
        }
        let activity = Arc::new(Activity {
            block,
            began: self.began,
            idle_since: AtomicU64::new(milliseconds_since(self.began)),
            close: shutdown.child_token(),
        });
        let mut open = self.lock();
        let id = open.next;
        open.next += 1;
        open.by_id.insert(id, Arc::clone(&activity));
        *open.by_block.entry(block).or_default() += 1;
        Some(Slot {
            id,
            activity,
            all: Arc::clone(self),
            _permit: permit,
        })
    }

    /// Ends connections that do nothing, those first that have done nothing for longest. Gives how
    /// many.
    fn close_idle(&self, block: Option<AddressBlock>) -> usize {
        let open = self.lock();
        let is_meant = |it: &Activity| block.is_none_or(|block| it.block == block);
        let mut idle: Vec<_> = open
            .by_id
            .iter()
            .filter(|(_, it)| is_meant(it) && !it.close.is_cancelled())
            .map(|(id, it)| ((it.idle_since.load(Ordering::Relaxed), *id), it))
            .filter(|((since, _), _)| *since > 0)
            .collect();
        if idle.is_empty() {
            return 0;
        }
        let closed = (idle.len() / MAKE_ROOM).max(1);
        idle.select_nth_unstable_by_key(closed - 1, |(age, _)| *age);
        for (_, activity) in &idle[..closed] {
            activity.close.cancel();
        }
        closed
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.all.lock();
        open.by_id.remove(&self.id);
        if let Some(count) = open.by_block.get_mut(&self.activity.block) {
            *count -= 1;
            if *count == 0 {
                open.by_block.remove(&self.activity.block);
            }
        }
    }
}

impl Activity {
    /// Notes that a request has come. It is over when what this gives is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.idle_since.store(0, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Waits until nothing has been going on for a moment: the last bytes of an answer are out.
    pub(super) async fn is_idle(&self) {
        loop {
            sleep(LOOK_AGAIN).await;
            let since = self.idle_since.load(Ordering::Relaxed);
            let moment = u64::try_from(LOOK_AGAIN.as_millis()).unwrap_or_default();
            if since > 0 && since + moment <= milliseconds_since(self.began) {
                return;
            }
        }
    }
}

fn milliseconds_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}

/// A request that is on its way, until the last byte of its answer.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        let now = milliseconds_since(self.0.began);
        self.0.idle_since.store(now, Ordering::Relaxed);
    }
}

/// The body of an answer, and the note that it is on its way.
#[derive(Debug)]
pub(super) struct BusyBody {
    pub(super) body: Body,
    pub(super) _busy: Busy,
}

impl hyper::body::Body for BusyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections: usize, per_address: usize) -> Arc<ConnectionLimits> {
        Arc::new(ConnectionLimits {
            connections,
            per_address,
            ..ConnectionLimits::default()
        })
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_does_nothing_for_longest_makes_room() {
        let (all, shutdown) = (Connections::new(limits(3, 3)), CancellationToken::new());
        let mut slots = Vec::new();
        for last in 1..=3 {
            let permit = all.room().await;
            slots.push(all.place(address(last), permit, &shutdown).unwrap());
            sleep(Duration::from_secs(1)).await;
        }
        let busy = slots[0].activity.begin();
        let oldest_idle = slots.remove(1);
        let ended = async {
            oldest_idle.activity.close.cancelled().await;
            drop(oldest_idle);
        };
        let (permit, ()) = tokio::join!(all.room(), ended);
        assert!(permit.is_some());
        assert!(slots.iter().all(|slot| !slot.activity.close.is_cancelled()));
        drop(busy);
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_has_its_share_and_a_proxy_next_to_the_server_has_all() {
        let (all, shutdown) = (Connections::new(limits(100, 2)), CancellationToken::new());
        let place = |peer| all.place(peer, None, &shutdown);
        let slots: Vec<_> = (0..2).filter_map(|_| place(address(1))).collect();
        let busy: Vec<_> = slots.iter().map(|slot| slot.activity.begin()).collect();
        assert_eq!(slots.len(), 2);
        assert!(place(address(1)).is_none(), "all are in use");
        assert!(place(address(2)).is_some());
        drop(busy);
        assert!(place(address(1)).is_some(), "one of its own makes room");
        let gone = slots.iter().filter(|it| it.activity.close.is_cancelled());
        assert_eq!(gone.count(), 1);
        let near: Vec<_> = (0..50)
            .filter_map(|_| place([127, 0, 0, 1].into()))
            .collect();
        assert_eq!(near.len(), 50);
        drop((slots, near));
        assert!(all.lock().by_id.is_empty() && all.lock().by_block.is_empty());
    }

    #[test]
    fn files_are_kept_for_the_store_and_for_providers() {
        let of = |files| {
            let limits = ConnectionLimits::for_files(files);
            (limits.connections, limits.per_address)
        };
        assert_eq!(of(1024), (448, 224));
        assert_eq!(of(256), (64, 32));
        assert_eq!(of(10), (16, 8));
        assert_eq!(of(u64::MAX), (10_000, 512));
    }
}
