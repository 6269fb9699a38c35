//! How long things took. Every single value is kept: there are thousands, not millions, so nothing
//! has to be rounded into buckets.

use serde::{Deserialize, Serialize};

/// Durations in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Latencies(Vec<u64>);

impl Latencies {
    pub(crate) fn record(&mut self, duration: std::time::Duration) {
        self.0
            .push(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The smallest recorded value that `percent` of all values do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> u64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

/// The value in the middle, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match (
        sorted.get((sorted.len().max(1) - 1) / 2),
        sorted.get(sorted.len() / 2),
    ) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn latencies(micros: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        for micros in micros {
            latencies.record(Duration::from_micros(micros));
        }
        latencies
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let hundred = latencies((1..=100).rev());
        assert_eq!(hundred.percentile(50), 50);
        assert_eq!(hundred.percentile(99), 99);
        assert_eq!(hundred.percentile(100), 100);
        assert_eq!(latencies([7, 9]).percentile(50), 7);
        assert_eq!(latencies([7, 9]).percentile(99), 9);
        assert_eq!(latencies([]).percentile(99), 0);
    }

    #[test]
    fn rounds_add_up() {
        let mut all = latencies([1, 2]);
        all.absorb(latencies([3]));
        assert_eq!(all, latencies([1, 2, 3]));
    }

    #[test]
    fn one_wild_round_does_not_move_the_median() {
        assert!((median(&[10.0, 900.0, 12.0]) - 12.0).abs() < f64::EPSILON);
        assert!((median(&[10.0, 20.0]) - 15.0).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }
}
