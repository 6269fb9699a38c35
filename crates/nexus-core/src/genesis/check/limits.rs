//! `limits`, and the prices of the catalog.

use serde_json::Value;

use crate::genesis::node::Node;
use crate::limits::{Limit, Limits};
use crate::price::{MAX_PRICE, Price};

const MILLION: f64 = 1_000_000.0;

/// `limits`. What is not there is as usual.
pub(super) fn limits(node: &Node<'_>) -> Limits {
    let sections = ["identity", "ip"];
    node.optional_members("an object with identity and ip");
    node.warn_unknown(&sections);
    for section in sections {
        let keys: Vec<_> = Limit::ALL
            .into_iter()
            .filter(|limit| limit.section() == section)
            .map(Limit::key)
            .collect();
        let part = node.get(section);
        part.optional_members("an object of limits");
        part.warn_unknown(&keys);
    }
    let value = |limits: Limits, limit: Limit| {
        let found = node.get(limit.section()).get(limit.key());
        let read = |value: &Value| match limit {
            Limit::DailyCost => cost(value, limit),
            _ => whole(value, limit),
        };
        match found.optional(read, &expected(limit)) {
            Some(value) => limits.with(limit, value),
            None => limits,
        }
    };
    Limit::ALL.into_iter().fold(Limits::default(), value)
}

fn whole(value: &Value, limit: Limit) -> Option<u64> {
    value
        .as_u64()
        .filter(|value| (1..=limit.ceiling()).contains(value))
}

/// At least a millionth, so that it does not round to nothing.
fn cost(value: &Value, limit: Limit) -> Option<u64> {
    let micros = micros(value)?;
    (1..=limit.ceiling()).contains(&micros).then_some(micros)
}

fn expected(limit: Limit) -> String {
    match limit {
        Limit::DailyCost => format!(
            "an amount above 0 and up to {}, in the currency of the catalog",
            limit.ceiling() / 1_000_000
        ),
        _ => format!("a whole number from 1 to {}", limit.ceiling()),
    }
}

/// `price` of a catalog row. A row without one costs nothing, as far as is known.
pub(super) fn price(node: &Node<'_>) -> Option<Price> {
    node.optional_members("an object with input, output and cached_input");
    node.warn_unknown(&["input", "output", "cached_input"]);
    if !node.is_present() {
        return None;
    }
    let read = |key| {
        let read = |value: &Value| {
            let price = value.as_f64()?;
            (0.0..=MAX_PRICE).contains(&price).then(|| micros(value))?
        };
        let expected = "a number from 0 to 1000000: the price of a million tokens";
        node.get(key).optional(read, expected)
    };
    let (input, output) = (read("input"), read("output"));
    let cached_input = read("cached_input").or(input);
    Some(Price {
        input: input.unwrap_or(0),
        output: output.unwrap_or(0),
        cached_input: cached_input.unwrap_or(0),
    })
}

/// An amount as millionths.
fn micros(value: &Value) -> Option<u64> {
    let amount = value.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be in range; rounded first"
    )]
    (0.0..=1e12)
        .contains(&amount)
        .then(|| (amount * MILLION).round() as u64)
}
