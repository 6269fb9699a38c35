//! Against a model of a database that confirms late and a stream that tells late, twice and in
//! another order: an answer from memory is never older than it may be.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const SUBJECTS: u8 = 3;

fn subject(number: u8) -> Subject {
    PublicKey::from_bytes([number; 20]).into()
}

#[derive(Clone, Debug)]
enum Step {
    /// Somebody changes a document. It is not confirmed yet.
    Change(u8),
    /// Everything so far is confirmed.
    Confirm,
    /// One of the changes that are confirmed is told of, perhaps again.
    Tell(prop::sample::Index),
    /// A reader looks at the clock...
    Begin(u8),
    /// ... reads, which includes what was known when it looked, perhaps more, and remembers.
    Read(prop::sample::Index),
    /// Nobody knows what was changed.
    Doubt,
    /// A second passes.
    Pass,
    /// Everything that is confirmed is told of in the order of a stream, and then vouched for.
    Vouch,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..SUBJECTS).prop_map(Step::Change),
        2 => Just(Step::Confirm),
        3 => any::<prop::sample::Index>().prop_map(Step::Tell),
        3 => (0..SUBJECTS).prop_map(Step::Begin),
        3 => any::<prop::sample::Index>().prop_map(Step::Read),
        1 => Just(Step::Doubt),
        1 => Just(Step::Pass),
        2 => Just(Step::Vouch),
    ]
}

/// Changes are numbered from 1 in the order of the database's clock; the number is the value too.
struct Model {
    freshness: Freshness,
    now: Instant,
    /// Whose each change is.
    changes: Vec<u8>,
    /// How many of them are confirmed.
    confirmed: usize,
    /// Up to which the store knows that it knows all: told of, or from before a doubt.
    told: Vec<u64>,
    vouched: Option<Instant>,
    reading: Vec<(u8, AsOf)>,
    memory: HashMap<u8, (u64, AsOf)>,
}

impl Model {
    fn new() -> Self {
        Self {
            freshness: Freshness::new(),
            now: Instant::now(),
            changes: Vec::new(),
            confirmed: 0,
            told: vec![0; usize::from(SUBJECTS)],
            vouched: None,
            reading: Vec::new(),
            memory: HashMap::new(),
        }
    }

    /// The newest change of a subject among the first `count`.
    fn newest(&self, number: u8, count: usize) -> u64 {
        let newest = self
            .changes
            .iter()
            .take(count)
            .rposition(|changed| *changed == number);
        newest.map_or(0, |index| index as u64 + 1)
    }

    fn tell(&mut self, index: usize) {
        let number = self.changes[index];
        let moment = index as u64 + 1;
        self.freshness.changed_at(subject(number), moment);
        let told = &mut self.told[usize::from(number)];
        *told = moment.max(*told);
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Change(number) => self.changes.push(*number),
            Step::Confirm => self.confirmed = self.changes.len(),
            Step::Tell(which) if self.confirmed > 0 => self.tell(which.index(self.confirmed)),
            Step::Begin(number) => self.reading.push((*number, self.freshness.as_of())),
            Step::Read(which) if !self.reading.is_empty() => {
                let index = which.index(self.reading.len());
                let (number, as_of) = self.reading.swap_remove(index);
                // As a store promises.
                let included = usize::try_from(as_of.moment).unwrap().max(self.confirmed);
                let value = self.newest(number, included);
                self.memory.insert(number, (value, as_of));
            }
            Step::Doubt => {
                for number in 0..SUBJECTS {
                    self.told[usize::from(number)] = self.newest(number, self.confirmed);
                }
                self.freshness.reach(self.confirmed as u64);
                self.freshness.doubt();
            }
            Step::Pass => self.now += PATIENCE,
            Step::Vouch => {
                (0..self.confirmed).for_each(|index| self.tell(index));
                self.freshness.vouch(self.now);
                self.vouched = Some(self.now + PATIENCE);
            }
            Step::Tell(_) | Step::Read(_) => {}
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for (&number, &(value, as_of)) in &self.memory {
            if self.freshness.holds_at(self.now, subject(number), as_of) {
                prop_assert!(self.vouched.is_some_and(|until| self.now < until));
                prop_assert!(value >= self.told[usize::from(number)]);
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn what_is_fresh_is_never_older_than_what_was_told(steps in prop::collection::vec(step(), 1..80)) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
            model.check()?;
        }
    }
}

fn vouching() -> Freshness {
    let freshness = Freshness::new();
    freshness.vouch(Instant::now() + Duration::from_hours(1));
    freshness
}

#[test]
fn a_change_makes_one_subject_stale_and_no_other() {
    let freshness = vouching();
    let as_of = freshness.as_of();
    // Two subjects may share a slot, and of many few do.
    freshness.changed(subject(0));
    assert!(!freshness.holds_at(Instant::now(), subject(0), as_of));
    let fresh =
        (1..=255).filter(|number| freshness.holds_at(Instant::now(), subject(*number), as_of));
    assert!(fresh.count() > 240);
}

#[test]
fn what_is_read_after_a_change_is_fresh_even_if_the_change_is_told_again() {
    let freshness = vouching();
    freshness.changed_at(subject(0), 7);
    let as_of = freshness.as_of();
    freshness.changed_at(subject(0), 7);
    freshness.changed_at(subject(0), 3);
    assert!(freshness.holds_at(Instant::now(), subject(0), as_of));
}

#[test]
fn nothing_is_fresh_before_the_store_vouches_and_a_second_after() {
    let freshness = Freshness::new();
    let as_of = freshness.as_of();
    let now = Instant::now();
    assert!(!freshness.holds_at(now, subject(0), as_of));
    freshness.vouch(now);
    assert!(freshness.holds_at(now + PATIENCE / 2, subject(0), as_of));
    assert!(!freshness.holds_at(now + PATIENCE, subject(0), as_of));
}

#[test]
fn a_doubt_makes_everything_stale() {
    let freshness = vouching();
    let as_of = freshness.as_of();
    freshness.doubt();
    assert!(!freshness.holds_at(Instant::now(), subject(0), as_of));
    assert!(freshness.holds_at(Instant::now(), subject(0), freshness.as_of()));
}
