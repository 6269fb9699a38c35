//! What tokens cost.

use crate::UsageCount;

/// The price of a model, in millionths of a currency for a million tokens. Which currency is for
/// whoever writes the template to know: it is the same for all rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Of tokens that the model is sent.
    pub input: u64,
    /// Of tokens that the model writes, those of its reasoning among them.
    pub output: u64,
    /// Of sent tokens that the provider had in its cache.
    pub cached_input: u64,
}

/// The highest price, in whole units of the currency for a million tokens.
pub const MAX_PRICE: f64 = 1_000_000.0;

impl Price {
    /// What this usage costs, in millionths of the currency, rounded up.
    #[must_use]
    pub fn of(self, count: &UsageCount) -> u64 {
        let cached = count.cached_input_tokens.min(count.input_tokens);
        let sum = [
            (count.input_tokens - cached, self.input),
            (cached, self.cached_input),
            (count.output_tokens, self.output),
        ]
        .into_iter()
        .map(|(tokens, price)| u128::from(tokens) * u128::from(price))
        .fold(0, u128::saturating_add);
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_have_a_price_of_their_own_and_nothing_is_rounded_to_nothing() {
        let price = Price {
            input: 300_000,
            output: 2_500_000,
            cached_input: 75_000,
        };
        let count = UsageCount {
            input_tokens: 1_000_000,
            cached_input_tokens: 400_000,
            output_tokens: 2_000_000,
            ..UsageCount::default()
        };
        assert_eq!(price.of(&count), 180_000 + 30_000 + 5_000_000);
        let one = UsageCount {
            input_tokens: 1,
            ..UsageCount::default()
        };
        assert_eq!(price.of(&one), 1);
        assert_eq!(Price::default().of(&count), 0);
        let most = UsageCount {
            input_tokens: u64::MAX,
            cached_input_tokens: u64::MAX,
            output_tokens: u64::MAX,
            ..UsageCount::default()
        };
        let dear = Price {
            input: u64::MAX,
            output: u64::MAX,
            cached_input: u64::MAX,
        };
        assert_eq!(dear.of(&most), u64::MAX);
    }
}
