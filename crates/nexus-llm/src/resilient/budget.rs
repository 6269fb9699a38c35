//! How many retries a provider may get: a provider that fails for everybody must not be asked three
//! times as often for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// The retries that one request pays for.
const SHARE: f64 = 0.2;
/// The retries that one second pays for, so that a quiet provider gets some.
const FLOOR_PER_SECOND: f64 = 1.0;
/// What can be saved up.
const MOST: f64 = 10.0;

/// The retries of one provider. In any time there are at most [`MOST`], plus [`SHARE`] of the
/// requests, plus [`FLOOR_PER_SECOND`].
#[derive(Debug)]
pub(super) struct Budget {
    /// All requests ever: all that a healthy request pays.
    requests: AtomicU64,
    ledger: Mutex<Ledger>,
}

#[derive(Debug)]
struct Ledger {
    balance: f64,
    /// The requests and the time that have been paid in.
    requests: u64,
    at: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        let ledger = Ledger {
            balance: MOST,
            requests: 0,
            at: now,
        };
        Self {
            requests: AtomicU64::new(0),
            ledger: Mutex::new(ledger),
        }
    }

    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one retry, if there is one.
    pub(super) fn withdraw(&self, now: Instant) -> bool {
        let requests = self.requests.load(Ordering::Relaxed);
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let new_requests = u32::try_from(requests.saturating_sub(ledger.requests));
        let seconds = now.saturating_duration_since(ledger.at).as_secs_f64();
        let paid_in =
            f64::from(new_requests.unwrap_or(u32::MAX)) * SHARE + seconds * FLOOR_PER_SECOND;
        ledger.balance = (ledger.balance + paid_in).min(MOST);
        ledger.requests = requests.max(ledger.requests);
        ledger.at = now.max(ledger.at);
        let is_enough = ledger.balance >= 1.0;
        if is_enough {
            ledger.balance -= 1.0;
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Request,
        Retry,
        Pass(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Request),
            4 => Just(Step::Retry),
            1 => (0..20_000_u64).prop_map(Step::Pass),
        ];
        prop::collection::vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_gets_more_than_its_share(steps in steps()) {
            let mut now = Instant::now();
            let budget = Budget::new(now);
            // (time, requests, retries) after each step, from the beginning.
            let mut seen = vec![(now, 0_u32, 0_u32)];
            for step in steps {
                let (_, mut requests, mut retries) = seen[seen.len() - 1];
                match step {
                    Step::Request => {
                        budget.count_request();
                        requests += 1;
                    }
                    Step::Retry => retries += u32::from(budget.withdraw(now)),
                    Step::Pass(milliseconds) => now += Duration::from_millis(milliseconds),
                }
                seen.push((now, requests, retries));
            }
            let last = seen[seen.len() - 1];
            for first in &seen {
                let share = f64::from(last.1 - first.1) * SHARE
                    + (last.0 - first.0).as_secs_f64() * FLOOR_PER_SECOND;
                prop_assert!(f64::from(last.2 - first.2) <= MOST + share + 1e-6);
            }
        }
    }

    #[test]
    fn a_quiet_provider_gets_a_retry_each_second() {
        let start = Instant::now();
        let budget = Budget::new(start);
        let all = (0..20).filter(|_| budget.withdraw(start)).count();
        assert_eq!(all, 10);
        assert!(budget.withdraw(start + Duration::from_secs(1)));
        assert!(!budget.withdraw(start + Duration::from_secs(1)));
    }
}
