//! The breaker against a model of it that remembers everything and counts anew each time.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    Ask(Sample),
    /// A request that was let through and has not come back yet comes back.
    Late(Sample),
}

/// What the words of the rules say, without any cleverness.
#[derive(Debug)]
struct Simple {
    start: Instant,
    /// (second, whether it failed), since the breaker closed last.
    samples: Vec<(u64, bool)>,
    since: Instant,
    in_a_row: u32,
    open_until: Option<Instant>,
    cooldown: Option<Instant>,
}

impl Simple {
    fn admits(&self, now: Instant) -> &'static str {
        if self.open_until.is_some_and(|until| now < until) {
            "resting"
        } else if self.cooldown.is_some_and(|until| now < until) {
            "cooling"
        } else if self.open_until.is_some() {
            "probe"
        } else {
            "pass"
        }
    }

    fn learn(&mut self, sample: Sample, now: Instant) {
        let second = (now - self.since).as_secs();
        match sample {
            Sample::Answered => self.samples.push((second, false)),
            Sample::Failed | Sample::NotReached => self.samples.push((second, true)),
            Sample::Limited(Some(wait)) => {
                let until = now + wait.min(LONGEST_COOLDOWN);
                self.cooldown = self.cooldown.max(Some(until));
            }
            _ => {}
        }
        self.in_a_row = if sample == Sample::NotReached {
            self.in_a_row + 1
        } else {
            0
        };
        let recent = || {
            let is_recent = move |at: u64| at + 30 > second;
            self.samples.iter().filter(move |(at, _)| is_recent(*at))
        };
        let (all, failed) = (recent().count(), recent().filter(|it| it.1).count());
        let is_failure = matches!(sample, Sample::Failed | Sample::NotReached);
        if is_failure && (self.in_a_row >= 5 || (all >= 10 && failed * 2 >= all)) {
            self.open_until = Some(now + Duration::from_secs(15));
        }
    }

    fn learn_from_probe(&mut self, sample: Sample, now: Instant) {
        match sample {
            Sample::Nothing => self.open_until = Some(now),
            Sample::Failed | Sample::NotReached => {
                self.open_until = Some(now + Duration::from_secs(15));
            }
            _ => {
                self.open_until = None;
                self.samples.clear();
                self.since = now;
                self.in_a_row = 0;
                self.learn(sample, now);
            }
        }
    }
}

fn samples() -> impl Strategy<Value = Sample> {
    prop_oneof![
        3 => Just(Sample::Answered),
        3 => Just(Sample::NotReached),
        3 => Just(Sample::Failed),
        1 => (0..90_u64).prop_map(|wait| Sample::Limited(Some(Duration::from_secs(wait)))),
        1 => Just(Sample::Limited(None)),
        1 => Just(Sample::Misconfigured(401)),
        1 => Just(Sample::Nothing),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..12_000_u64).prop_map(Step::Pass),
        6 => samples().prop_map(Step::Ask),
        1 => samples().prop_map(Step::Late),
    ];
    prop::collection::vec(step, 0..300)
}

fn word(admission: Admission) -> &'static str {
    match admission {
        Admission::Pass => "pass",
        Admission::Probe => "probe",
        Admission::Cooling(_) => "cooling",
        Admission::Resting(_) => "resting",
    }
}

proptest! {
    #[test]
    fn it_does_what_the_rules_say(steps in steps()) {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(now);
        let mut simple = Simple {
            start: now,
            samples: Vec::new(),
            since: now,
            in_a_row: 0,
            open_until: None,
            cooldown: None,
        };
        for step in steps {
            match step {
                Step::Pass(milliseconds) => now += Duration::from_millis(milliseconds),
                Step::Ask(sample) => {
                    let admission = breaker.admit(now);
                    let at = now - simple.start;
                    prop_assert_eq!(word(admission), simple.admits(now), "after {:?}", at);
                    match admission {
                        Admission::Pass => {
                            let was_open = breaker.is_open();
                            let change = breaker.record(sample, now);
                            if sample != Sample::Nothing {
                                simple.learn(sample, now);
                            }
                            let opened = !was_open && breaker.is_open();
                            prop_assert_eq!(change == Some(Change::Opened), opened);
                        }
                        Admission::Probe => {
                            // Nobody else is let through meanwhile.
                            prop_assert_eq!(word(breaker.admit(now)), "resting");
                            breaker.probed(sample, now);
                            simple.learn_from_probe(sample, now);
                        }
                        Admission::Cooling(wait) => prop_assert!(wait <= LONGEST_COOLDOWN),
                        Admission::Resting(wait) => prop_assert!(wait <= REST),
                    }
                }
                Step::Late(sample) => {
                    breaker.record(sample, now);
                    if simple.open_until.is_none() && sample != Sample::Nothing {
                        simple.learn(sample, now);
                    }
                }
            }
            prop_assert_eq!(breaker.is_open(), simple.open_until.is_some());
            // Whoever skips the lock because it is calm would have been let through.
            if breaker.is_calm() {
                prop_assert_eq!(simple.admits(now), "pass");
            }
        }
    }
}

#[test]
fn five_failed_connections_in_a_row_are_enough() {
    let now = Instant::now();
    let mut breaker = Breaker::new(now);
    let changes: Vec<_> = (0..5)
        .map(|_| breaker.record(Sample::NotReached, now))
        .collect();
    assert_eq!(changes, [None, None, None, None, Some(Change::Opened)]);
    let rest = Trouble::Resting(REST);
    assert_eq!(breaker.trouble(now), Some(rest));
}

#[test]
fn a_refused_key_is_reported_once_until_it_works_again() {
    let now = Instant::now();
    let mut breaker = Breaker::new(now);
    let mut tell = |sample| breaker.record(sample, now);
    let refused = Some(Change::Misconfigured(401));
    assert_eq!(tell(Sample::Misconfigured(401)), refused);
    assert_eq!(tell(Sample::Misconfigured(401)), None);
    assert_eq!(tell(Sample::Answered), None);
    assert_eq!(tell(Sample::Misconfigured(401)), refused);
}

#[test]
fn a_provider_that_wants_less_to_do_is_left_alone_and_not_called_down() {
    let now = Instant::now();
    let mut breaker = Breaker::new(now);
    let wait = Duration::from_secs(3);
    for _ in 0..50 {
        assert_eq!(breaker.record(Sample::Limited(Some(wait)), now), None);
    }
    assert_eq!(breaker.admit(now), Admission::Cooling(wait));
    assert_eq!(breaker.admit(now + wait), Admission::Pass);
}
