//! What one person spends on one day: what is stored, and what is under way.

use chrono::NaiveDate;

use super::{Limit, LimitReached, Limits, Period};
use crate::{Timestamp, UsageCount};

/// Tokens, and what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// Sent and written ones together.
    pub tokens: u64,
    /// In millionths of the currency of the catalog.
    pub cost_micros: u64,
}

impl Spending {
    /// Both together.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            cost_micros: self.cost_micros.saturating_add(other.cost_micros),
        }
    }

    const fn saturating_sub(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(other.tokens),
            cost_micros: self.cost_micros.saturating_sub(other.cost_micros),
        }
    }
}

impl From<UsageCount> for Spending {
    fn from(count: UsageCount) -> Self {
        Self {
            tokens: count.input_tokens.saturating_add(count.output_tokens),
            cost_micros: count.cost_micros,
        }
    }
}

/// One day of one person, as one node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    day: NaiveDate,
    spent: Spending,
    /// What runs that are under way may come to.
    reserved: Spending,
    /// Whether the store has been read.
    is_read: bool,
    /// Runs whose usage is on its way into the store.
    settling: u32,
    /// Grows with everything that could make a reading of the store stale.
    changes: u64,
}

/// What the ledger was like when a reading of the store began.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    changes: u64,
}

impl Ledger {
    /// A day of which nothing is known.
    #[must_use]
    pub fn new(day: NaiveDate) -> Self {
        Self {
            day,
            spent: Spending::default(),
            reserved: Spending::default(),
            is_read: false,
            settling: 0,
            changes: 0,
        }
    }

    /// Which day.
    #[must_use]
    pub const fn day(&self) -> NaiveDate {
        self.day
    }

    /// Whether what was stored before is known.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        self.is_read
    }

    /// Whether the budgets of the day allow one more run: what was spent and what is under way is
    /// less than the budget. So the run that reaches it is finished.
    ///
    /// # Errors
    /// When one of them is used up.
    pub fn check(&self, limits: &Limits, now: Timestamp) -> Result<(), LimitReached> {
        let used = self.spent.saturating_add(self.reserved);
        let budgets = [
            (Limit::DailyTokens, used.tokens),
            (Limit::DailyCost, used.cost_micros),
        ];
        for (limit, used) in budgets {
            if let Some(budget) = limits.get(limit).filter(|budget| *budget <= used) {
                let window = Period::Day.window(now);
                return Err(LimitReached::in_window(limit, budget, window, now));
            }
        }
        Ok(())
    }

    /// A run begins that may come to this much.
    pub const fn reserve(&mut self, estimate: Spending) {
        self.reserved = self.reserved.saturating_add(estimate);
    }

    /// It is over.
    pub const fn release(&mut self, estimate: Spending) {
        self.reserved = self.reserved.saturating_sub(estimate);
    }

    /// What a run spent is on its way into the store.
    pub const fn begin_settling(&mut self) {
        self.settling = self.settling.saturating_add(1);
        self.changes = self.changes.wrapping_add(1);
    }

    /// It is there, or could not be stored: it is spent either way.
    pub const fn settle(&mut self, spent: Spending) {
        self.settling = self.settling.saturating_sub(1);
        self.changes = self.changes.wrapping_add(1);
        self.spent = self.spent.saturating_add(spent);
    }

    /// Begins to read the store. `None`: what is on its way now would be counted twice, or not.
    #[must_use]
    pub fn begin_reading(&self) -> Option<Reading> {
        (self.settling == 0).then_some(Reading {
            changes: self.changes,
        })
    }

    /// Takes what the store says, unless it may be stale by now.
    pub fn learn(&mut self, reading: Reading, spent: Spending) {
        if reading.changes == self.changes {
            self.spent = spent;
            self.is_read = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(tokens: u64) -> Spending {
        Spending {
            tokens,
            cost_micros: 0,
        }
    }

    #[test]
    fn a_budget_counts_what_is_stored_and_what_is_under_way() {
        let now: Timestamp = "2026-11-23T14:30:00Z".parse().unwrap();
        let limits = Limits::default().with(Limit::DailyTokens, 100);
        let mut ledger = Ledger::new(now.date_naive());
        ledger.learn(ledger.begin_reading().unwrap(), tokens(60));
        ledger.reserve(tokens(39));
        assert_eq!(ledger.check(&limits, now), Ok(()));
        ledger.reserve(tokens(1));
        let refused = ledger.check(&limits, now).unwrap_err();
        assert_eq!((refused.limit, refused.value), (Limit::DailyTokens, 100));
        ledger.release(tokens(39));
        assert_eq!(ledger.check(&limits, now), Ok(()));
        let limits = limits.with(Limit::DailyCost, 5);
        ledger.begin_settling();
        ledger.settle(Spending {
            tokens: 1,
            cost_micros: 5,
        });
        let refused = ledger.check(&limits, now).unwrap_err();
        assert_eq!(refused.limit, Limit::DailyCost);
    }

    #[test]
    fn a_reading_that_may_miss_a_run_is_not_taken() {
        let mut ledger = Ledger::new(NaiveDate::default());
        let early = ledger.begin_reading().unwrap();
        ledger.begin_settling();
        assert!(ledger.begin_reading().is_none());
        ledger.settle(tokens(7));
        ledger.learn(early, tokens(0));
        assert_eq!(ledger.spent, tokens(7));
        let late = ledger.begin_reading().unwrap();
        ledger.learn(late, tokens(9));
        assert_eq!(ledger.spent, tokens(9));
    }
}
