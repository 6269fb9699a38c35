//! Many people and one model.

use super::*;

fn person(number: u64) -> Requester {
    Requester::of(&number)
}

/// Asks once, if that may be; gives whether it was asked.
fn ask(circuit: &mut Circuit, who: u64, sample: Sample, now: Instant) -> bool {
    let admitted = circuit.admit(person(who), now);
    if let Ok(probes) = admitted {
        circuit.settle(person(who), probes, sample, now);
    }
    admitted.is_ok()
}

#[test]
fn one_persons_failures_close_the_model_for_that_person_only() {
    for sample in [Sample::Failed, Sample::NotReached] {
        let mut now = Instant::now();
        let mut circuit = Circuit::new(now);
        let mut asked = 0;
        for round in 0..2000 {
            now += Duration::from_millis(100);
            asked += u32::from(ask(&mut circuit, 1, sample, now));
            if round % 20 == 0 {
                assert!(ask(&mut circuit, 2, Sample::Answered, now), "{round}");
                assert_eq!(circuit.trouble(now), None);
            }
        }
        // 10 until it rests, then one each 15 s of 200 s.
        assert!((10..=25).contains(&asked), "{asked}");
    }
}

#[test]
fn one_person_alone_leaves_a_dead_model_alone_and_finds_it_again() {
    let mut now = Instant::now();
    let mut circuit = Circuit::new(now);
    let asked = (0..50).filter(|_| ask(&mut circuit, 1, Sample::Failed, now));
    assert_eq!(asked.count(), 10);
    assert!(circuit.is_open_for(person(1)) && !circuit.is_open_for(person(2)));
    now += Duration::from_secs(15);
    assert!(ask(&mut circuit, 1, Sample::Answered, now));
    assert!(ask(&mut circuit, 1, Sample::Answered, now) && circuit.is_calm());
}

#[test]
fn a_model_that_fails_for_most_rests_for_everybody() {
    let now = Instant::now();
    let mut circuit = Circuit::new(now);
    for who in 0..5 {
        for _ in 0..2 {
            ask(&mut circuit, who, Sample::Failed, now);
        }
    }
    assert!(!ask(&mut circuit, 77, Sample::Answered, now));
    assert!(matches!(circuit.trouble(now), Some(Trouble::Resting(_))));
}

#[test]
fn two_who_fail_do_not_stop_three_who_do_not() {
    let now = Instant::now();
    let mut circuit = Circuit::new(now);
    for _ in 0..30 {
        for who in 0..5 {
            let sample = if who < 2 {
                Sample::Failed
            } else {
                Sample::Answered
            };
            let was_asked = ask(&mut circuit, who, sample, now);
            assert!(was_asked || who < 2);
        }
    }
}

#[test]
fn four_who_fail_do_not_stop_a_fifth_who_is_answered() {
    for sample in [Sample::Failed, Sample::NotReached] {
        let mut now = Instant::now();
        let mut circuit = Circuit::new(now);
        for round in 0..2000 {
            now += Duration::from_millis(100);
            for who in 0..4 {
                ask(&mut circuit, who, sample, now);
            }
            // Far less often than they.
            if round % 50 == 0 {
                assert!(ask(&mut circuit, 4, Sample::Answered, now), "{round}");
                assert_eq!(circuit.trouble(now), None);
            }
        }
    }
}

#[test]
fn a_model_that_was_up_a_while_ago_rests_for_everybody() {
    let mut now = Instant::now();
    let mut circuit = Circuit::new(now);
    for who in 0..5 {
        assert!(ask(&mut circuit, who, Sample::Answered, now));
    }
    // Whoever was answered counts for half a minute.
    for second in 0..60 {
        now += Duration::from_secs(1);
        ask(&mut circuit, second % 4, Sample::Failed, now);
    }
    assert!(!ask(&mut circuit, 77, Sample::Answered, now));
}

#[test]
fn a_probe_of_the_one_whose_requests_fail_does_not_keep_the_model_off() {
    let mut now = Instant::now();
    let mut circuit = Circuit::new(now);
    for who in 0..5 {
        for _ in 0..2 {
            ask(&mut circuit, who, Sample::Failed, now);
        }
    }
    now += Duration::from_secs(15);
    // It is up again, except for what this person asks.
    assert!(ask(&mut circuit, 1, Sample::Failed, now), "a probe");
    assert!(!ask(&mut circuit, 1, Sample::Failed, now), "not twice");
    assert!(
        ask(&mut circuit, 2, Sample::Answered, now),
        "somebody else's"
    );
    assert!(ask(&mut circuit, 3, Sample::Answered, now));
    assert_eq!(circuit.trouble(now), None);
}

#[test]
fn probes_of_two_people_that_fail_let_it_rest_again() {
    let mut now = Instant::now();
    let mut circuit = Circuit::new(now);
    for who in 0..5 {
        for _ in 0..2 {
            ask(&mut circuit, who, Sample::Failed, now);
        }
    }
    now += Duration::from_secs(15);
    let asked = (0..20).filter(|who| ask(&mut circuit, *who, Sample::NotReached, now));
    assert_eq!(asked.count(), 2);
}

#[test]
fn what_is_remembered_of_people_has_a_bound() {
    let mut now = Instant::now();
    let mut circuit = Circuit::new(now);
    for who in 0..10_000 {
        now += Duration::from_millis(1);
        ask(&mut circuit, who, Sample::Answered, now);
    }
    assert!(circuit.people.len() <= WATCHED);
    now += Duration::from_mins(1);
    ask(&mut circuit, 10_000, Sample::Answered, now);
    assert_eq!(circuit.people.len(), 1);
}
