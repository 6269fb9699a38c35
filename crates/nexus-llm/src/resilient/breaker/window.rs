//! Counts what happened in the last 30 seconds, in steps of a second and in constant space.

use tokio::time::Instant;

/// How many seconds are remembered.
const SECONDS: usize = 30;

#[derive(Debug)]
pub(super) struct Window {
    since: Instant,
    /// The cell of second `n` is `n % SECONDS`.
    cells: [Cell; SECONDS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    second: u64,
    all: u32,
    failed: u32,
}

impl Window {
    pub(super) const fn new(now: Instant) -> Self {
        let empty = Cell {
            second: 0,
            all: 0,
            failed: 0,
        };
        Self {
            since: now,
            cells: [empty; SECONDS],
        }
    }

    pub(super) fn add(&mut self, now: Instant, is_failure: bool) {
        let second = self.second(now);
        let place = usize::try_from(second).unwrap_or_default() % SECONDS;
        let Some(cell) = self.cells.get_mut(place) else {
            return;
        };
        if cell.second != second {
            *cell = Cell {
                second,
                ..Cell::default()
            };
        }
        cell.all = cell.all.saturating_add(1);
        cell.failed = cell.failed.saturating_add(u32::from(is_failure));
    }

    /// All requests, and how many of them failed.
    pub(super) fn count(&self, now: Instant) -> (u32, u32) {
        let second = self.second(now);
        let recent = self
            .cells
            .iter()
            .filter(|cell| cell.second + SECONDS as u64 > second);
        recent.fold((0, 0), |(all, failed), cell| {
            (
                cell.all.saturating_add(all),
                cell.failed.saturating_add(failed),
            )
        })
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.since).as_secs()
    }
}
