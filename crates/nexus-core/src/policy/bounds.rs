//! Limits for a value, and the nearest value within them.

use std::collections::BTreeSet;
use std::sync::Arc;

use nexus_api::profile::Step;

use crate::ToolName;
use crate::tools::both;

/// Limits for a value. An absent limit does not limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The smallest number.
    pub min: Option<f64>,
    /// The largest number.
    pub max: Option<f64>,
    /// Numbers go in these steps; where layers ask for several, all hold.
    pub steps: Vec<Step>,
    /// The only numbers.
    pub numbers: Option<Vec<f64>>,
    /// The only models, by catalog key.
    pub models: Option<BTreeSet<Arc<str>>>,
    /// The only tools.
    pub tools: Option<Vec<ToolName>>,
    /// The only texts.
    pub texts: Option<Vec<Arc<str>>>,
    /// The longest text, in characters.
    pub max_length: Option<u32>,
}

impl From<&Bounds> for nexus_api::profile::Bounds {
    fn from(bounds: &Bounds) -> Self {
        let texts = |texts: &[Arc<str>]| texts.iter().map(ToString::to_string).collect();
        let models = bounds.models.as_ref();
        let tools = bounds.tools.as_ref();
        Self {
            min: bounds.min,
            max: bounds.max,
            steps: bounds.steps.clone(),
            numbers: bounds.numbers.clone(),
            models: models.map(|it| it.iter().map(ToString::to_string).collect()),
            tools: tools.map(|it| it.iter().map(ToString::to_string).collect()),
            texts: bounds.texts.as_deref().map(texts),
            max_length: bounds.max_length,
        }
    }
}

/// Whether a number is on the grid of a step.
fn holds(step: Step, number: f64) -> bool {
    let steps = (number - step.origin) / step.size;
    (steps - steps.round()).abs() * step.size <= TOLERANCE.max(step.size * 1e-6)
}

/// Whole numbers only.
pub(super) const WHOLE: Step = Step {
    size: 1.0,
    origin: 0.0,
};

/// Two numbers that differ by less are the same: `0.1 + 0.2` is on a grid of `0.1`. It is the dust
/// of binary fractions and nothing that a person can write: 2.0000000001 is above 2.
const TOLERANCE: f64 = 1e-12;

impl Bounds {
    /// Numbers from `min` to `max`.
    #[must_use]
    pub fn between(min: f64, max: f64) -> Self {
        Self {
            min: Some(min),
            max: Some(max),
            ..Self::default()
        }
    }

    /// Both limits at once. The result never allows what either forbids.
    #[must_use]
    pub fn narrow(&self, other: &Self) -> Self {
        let tighter = |a: Option<f64>, b: Option<f64>, pick: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (a, b) => a.or(b),
        };
        let numbers = match (&self.numbers, &other.numbers) {
            (Some(a), Some(b)) => {
                Some(a.iter().copied().filter(|number| has(b, *number)).collect())
            }
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        let models = match (&self.models, &other.models) {
            (Some(a), Some(b)) => Some(a & b),
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        let tools = match (&self.tools, &other.tools) {
            (Some(a), Some(b)) => Some(both(a, b)),
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        let texts = match (&self.texts, &other.texts) {
            (Some(a), Some(b)) => Some(a.iter().filter(|text| b.contains(text)).cloned().collect()),
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        let max_length = match (self.max_length, other.max_length) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self {
            min: tighter(self.min, other.min, f64::max),
            max: tighter(self.max, other.max, f64::min),
            steps: self.steps.iter().chain(&other.steps).copied().collect(),
            numbers,
            models,
            tools,
            texts,
            max_length,
        }
    }

    /// Whether a number keeps to the limits.
    #[must_use]
    pub fn admits_number(&self, number: f64) -> bool {
        number.is_finite()
            && self.min.is_none_or(|min| number >= min - TOLERANCE)
            && self.max.is_none_or(|max| number <= max + TOLERANCE)
            && self.numbers.as_ref().is_none_or(|only| has(only, number))
            && self.steps.iter().all(|step| holds(*step, number))
    }

    /// Whether a model, by its catalog key, is among those allowed.
    #[must_use]
    pub fn admits_model(&self, name: &str) -> bool {
        self.models.as_ref().is_none_or(|only| only.contains(name))
    }

    /// Whether a tool, or all tools of a server, are among those allowed.
    #[must_use]
    pub fn admits_tool(&self, name: &ToolName) -> bool {
        let only = self.tools.as_ref();
        only.is_none_or(|only| only.iter().any(|allowed| allowed.covers(name)))
    }

    /// Returns true for an allowed text that is not too long.
    #[must_use]
    pub fn admits_text(&self, text: &str) -> bool {
        let only = self.texts.as_ref();
        only.is_none_or(|only| only.iter().any(|allowed| **allowed == *text))
            && self.max_length.is_none_or(|max| !is_longer(text, max))
    }

    /// The admissible number nearest to `number`. `None` when there is none.
    #[must_use]
    pub fn nearest(&self, number: f64) -> Option<f64> {
        if !number.is_finite() {
            return None;
        }
        if let Some(only) = &self.numbers {
            let admissible = only
                .iter()
                .copied()
                .filter(|candidate| self.admits_number(*candidate));
            return admissible.min_by(|a, b| (a - number).abs().total_cmp(&(b - number).abs()));
        }
        let low = self.min.map_or(number, |min| number.max(min));
        let clamped = self.max.map_or(low, |max| low.min(max));
        let Some(step) = self.steps.first() else {
            return self.admits_number(clamped).then_some(clamped);
        };
        let nearest = ((clamped - step.origin) / step.size).round();
        // The nearest step may lie beyond a limit, or off another grid: then a neighbour is taken.
        let neighbours = (0..=64)
            .map(f64::from)
            .flat_map(|away| [nearest - away, nearest + away]);
        neighbours
            .map(|steps| tidy(step.origin + steps * step.size))
            .find(|candidate| self.admits_number(*candidate))
    }
}

/// Whether a text has more than `max` characters. Reads no more of it than it must.
fn is_longer(text: &str, max: u32) -> bool {
    usize::try_from(max).is_ok_and(|max| text.chars().nth(max).is_some())
}

fn has(numbers: &[f64], number: f64) -> bool {
    numbers
        .iter()
        .any(|candidate| (candidate - number).abs() <= TOLERANCE)
}

/// Removes the dust of binary fractions: `0.30000000000000004` is `0.3`.
fn tidy(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_nearest_admissible_number_is_found() {
        let slider = Bounds {
            steps: vec![Step {
                size: 0.1,
                origin: 0.0,
            }],
            ..Bounds::between(0.0, 1.0)
        };
        assert_eq!(slider.nearest(0.34), Some(0.3));
        assert_eq!(slider.nearest(7.0), Some(1.0));
        assert!(slider.admits_number(0.1 + 0.2));
        assert!(!slider.admits_number(0.34));

        let uneven = Bounds {
            steps: vec![Step {
                size: 0.4,
                origin: 0.0,
            }],
            ..Bounds::between(0.0, 1.0)
        };
        assert_eq!(uneven.nearest(1.0), Some(0.8));

        let select = Bounds {
            numbers: Some(vec![1024.0, 4096.0]),
            ..Bounds::default()
        };
        assert_eq!(select.nearest(3000.0), Some(4096.0));
        assert_eq!(
            Bounds {
                numbers: Some(Vec::new()),
                ..Bounds::default()
            }
            .nearest(1.0),
            None
        );
        assert_eq!(Bounds::between(2.0, 1.0).nearest(1.5), None);
    }

    fn bounds() -> impl Strategy<Value = Bounds> {
        let limit = || proptest::option::of((-20_i32..20).prop_map(f64::from));
        let step =
            (prop_oneof![Just(0.1), Just(0.5), Just(3.0)], -2_i32..2).prop_map(|(size, origin)| {
                Step {
                    size,
                    origin: f64::from(origin),
                }
            });
        let steps = proptest::collection::vec(step, 0..2);
        let numbers = proptest::option::of(proptest::collection::vec(
            (-20_i32..20).prop_map(f64::from),
            0..4,
        ));
        (limit(), limit(), steps, numbers).prop_map(|(min, max, steps, numbers)| Bounds {
            min,
            max,
            steps,
            numbers,
            ..Bounds::default()
        })
    }

    fn text_bounds() -> impl Strategy<Value = Bounds> {
        let words = ["", "a", "ab", "äöü", "abcd"];
        let texts = proptest::option::of(proptest::sample::subsequence(words.to_vec(), 0..=5));
        (texts, proptest::option::of(1_u32..5)).prop_map(|(texts, max_length)| Bounds {
            texts: texts.map(|texts| texts.into_iter().map(Arc::from).collect()),
            max_length,
            ..Bounds::default()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn what_is_nearest_is_admitted(bounds in bounds(), number in -30.0..30.0) {
            if let Some(nearest) = bounds.nearest(number) {
                prop_assert!(bounds.admits_number(nearest), "{bounds:?} {nearest}");
            }
            if bounds.admits_number(number) {
                prop_assert!((bounds.nearest(number).unwrap() - number).abs() < 1e-6);
            }
        }

        #[test]
        fn narrowing_never_allows_what_either_forbids(a in bounds(), b in bounds(), number in -30.0..30.0) {
            prop_assert_eq!(a.narrow(&b).admits_number(number), a.admits_number(number) && b.admits_number(number));
        }

        #[test]
        fn narrowing_never_allows_a_text_that_either_forbids(a in text_bounds(), b in text_bounds(), text in "[aäb]{0,5}") {
            prop_assert_eq!(a.narrow(&b).admits_text(&text), a.admits_text(&text) && b.admits_text(&text));
        }
    }
}
