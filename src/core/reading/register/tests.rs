use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

fn level(minutes: i64, value: i64) -> Level {
    Level { at: at(minutes), event_key: 0, value }
}

fn register(rollover_at: Option<i64>, max_per_hour: Option<i64>) -> Register {
    Register::new(Rule { rollover_at, max_per_hour })
}

/// Increment and doubt of readings an hour apart.
fn hourly(register: &Register, values: &[i64]) -> (Vec<i64>, Vec<Option<Doubt>>) {
    let mut fold = Fold::new(register, State::default());
    let readings = values.iter().enumerate().map(|(hour, value)| level(60 * hour as i64, *value));
    let standings: Vec<Standing> = readings.map(|reading| fold.next(reading, None)).collect();
    let doubt = |standing: &Standing| standing.suspicion.map(|suspicion| suspicion.doubt);
    (standings.iter().map(|standing| standing.increment).collect(), standings.iter().map(doubt).collect())
}

fn increments(register: &Register, values: &[i64]) -> Vec<i64> {
    hourly(register, values).0
}

#[test]
fn an_increase_counts_and_the_first_reading_does_not() {
    assert_eq!(increments(&register(None, None), &[500, 512, 512, 513]), [0, 12, 0, 1]);
    assert_eq!(increments(&register(None, None), &[-LIMIT + 1, LIMIT - 1]), [0, i64::MAX - 1]);
}

#[test]
fn a_decrease_is_a_rollover_by_the_shorter_way_or_suspicious() {
    let five_digits = register(Some(100_000), None);
    let follows = |before, value| five_digits.follows(level(0, before), level(60, value));
    assert_eq!(follows(99_990, 15), Some(25));
    assert_eq!(follows(99_998, 3), Some(5));
    // A slip of the pen, not the whole range but one.
    assert_eq!(follows(500, 499), None);
    assert_eq!(follows(100_001, 15), None);
    assert_eq!(follows(15, -15), None);
    assert_eq!(register(None, None).follows(level(0, 99_990), level(60, 15)), None);
    assert_eq!(register(Some(i64::MAX), None).follows(level(0, LIMIT - 1), level(60, 5)), None);
}

#[test]
fn a_jump_beyond_the_hourly_limit_is_suspicious() {
    let slow = register(Some(100_000), Some(10));
    let follows = |before, minutes, value| slow.follows(level(0, before), level(minutes, value));
    assert_eq!(follows(0, 60, 10), Some(10));
    assert_eq!(follows(0, 59, 10), None);
    assert_eq!(follows(99_990, 120, 10), Some(20));
    assert_eq!(follows(99_990, 119, 10), None);
    assert_eq!(follows(5, 0, 6), None);
    assert_eq!(follows(5, 0, 5), Some(0));
    // Nobody used 5,000; and however long it stands there, time alone does not make it so.
    let long = [vec![0, 5_000], vec![5_000; 600], vec![5_003]].concat();
    assert_eq!(increments(&slow, &long).iter().sum::<i64>(), 3);
    assert_eq!(increments(&slow, &[0, 5_000, 5_007, 5_010]), [0, 0, 7, 3]);
}

#[test]
fn a_slip_adds_nothing_and_loses_nothing() {
    let (five_digits, limited) = (register(Some(100_000), None), register(Some(100_000), Some(50)));
    assert_eq!(increments(&five_digits, &[500, 0, 510]), [0, 0, 10]);
    assert_eq!(increments(&five_digits, &[500, 0, 0, 0, 510, 511]), [0, 0, 0, 0, 10, 1]);
    assert_eq!(increments(&limited, &[100, 99_000, 101]), [0, 0, 1]);
    assert_eq!(increments(&limited, &[100, 99_000, 99_000, 101, 120]), [0, 0, 0, 1, 19]);
    // Two different slips one after the other.
    assert_eq!(increments(&five_digits, &[500, 7, 3, 510]), [0, 0, 0, 10]);
}

#[test]
fn what_a_reset_register_runs_counts_from_zero() {
    let five_digits = register(Some(100_000), None);
    assert_eq!(hourly(&five_digits, &[500, 0, 5, 10]), (vec![0, 0, 5, 5], vec![None, Some(Doubt::Reset), None, None]));
    assert_eq!(hourly(&five_digits, &[500, 7, 9]), (vec![0, 0, 2], vec![None, Some(Doubt::Decrease), None]));
    assert_eq!(increments(&five_digits, &[99_998, 3, 4]), [0, 5, 1]);
}

#[test]
fn a_decision_says_what_a_suspicious_reading_adds() {
    let limited = register(None, Some(50));
    let decided = |values: &[(i64, Option<Decision>)]| -> Vec<i64> {
        let mut fold = Fold::new(&limited, State::default());
        let next =
            |(hour, (value, decision)): (usize, &(i64, _))| fold.next(level(60 * hour as i64, *value), *decision);
        values.iter().enumerate().map(next).map(|standing| standing.increment).collect()
    };
    let accepted = |increment| Some(Decision::Accepted { increment });
    assert_eq!(decided(&[(0, None), (900, accepted(None)), (910, None)]), [0, 900, 10]);
    assert_eq!(decided(&[(0, None), (900, accepted(Some(-3))), (910, None)]), [0, -3, 10]);
    assert_eq!(decided(&[(0, None), (900, Some(Decision::Dismissed)), (910, None)]), [0, 0, 10]);
    // A decrease counts from zero.
    assert_eq!(decided(&[(500, None), (7, accepted(None)), (9, None)]), [0, 7, 2]);
    // What is accepted is no slip, whatever follows.
    assert_eq!(decided(&[(500, None), (7, accepted(None)), (510, None)]), [0, 7, 0]);
    assert_eq!(decided(&[(500, None), (7, Some(Decision::Dismissed)), (510, None)]), [0, 0, 10]);
    // About a reading that is not suspicious nothing is decided.
    assert_eq!(decided(&[(500, None), (510, accepted(Some(77))), (511, None)]), [0, 10, 1]);
}

#[test]
fn a_replacement_leads_from_the_old_meter_s_end_to_the_new_one_s_beginning() {
    let replaced = |replacements: &[(i64, i64, i64)], values: &[i64]| -> Vec<i64> {
        let replacements = replacements.iter().map(|(hour, last, first)| Replacement {
            at: at(60 * hour),
            last: *last,
            first: *first,
        });
        let register = Register { replacements: replacements.collect(), ..register(Some(100_000), Some(50)) };
        increments(&register, values)
    };
    assert_eq!(replaced(&[(2, 510, 250)], &[500, 505, 250, 255]), [0, 5, 5, 5]);
    assert_eq!(replaced(&[(2, 510, 250)], &[500, 505, 257, 258]), [0, 5, 12, 1]);
    // Twice between two readings: 5, then 3 of a meter that was never read, then 4.
    assert_eq!(replaced(&[(1, 505, 10), (2, 13, 40)], &[500]), [0]);
    let twice = [Replacement { at: at(70), last: 510, first: 10 }, Replacement { at: at(80), last: 13, first: 40 }];
    let twice = Register { replacements: twice.to_vec(), ..register(None, None) };
    assert_eq!(increments(&twice, &[500, 505, 44]), [0, 5, 5 + 3 + 4]);
    // The old meter's end decides between what was trusted and a slip before it.
    assert_eq!(replaced(&[(2, 510, 250)], &[500, 0, 255]), [0, 0, 15]);
    assert_eq!(replaced(&[(2, 5, 250)], &[500, 0, 255]), [0, 0, 10]);
    // From the very beginning, and from an end that the old meter cannot have had.
    assert_eq!(replaced(&[(-1, 900, 250)], &[255, 257]), [5, 2]);
    assert_eq!(replaced(&[(1, 400, 250)], &[500, 255, 257]), [0, 0, 2]);
    assert_eq!(replaced(&[(1, 900, 250)], &[500, 255, 257]), [0, 0, 2]);
}

#[test]
fn a_reading_is_judged_by_the_rule_of_its_time() {
    let old = Rule { rollover_at: None, max_per_hour: None };
    let register = Register { earlier_rules: vec![(at(120), old)], ..register(None, Some(10)) };
    assert_eq!(increments(&register, &[0, 500, 1000, 1005]), [0, 500, 0, 5]);
}

/// A meter that runs, rolls over and is replaced: its readings, its replacements and what it really used.
fn honest_life() -> impl Strategy<Value = (Vec<i64>, Vec<Replacement>, i64)> {
    let step = (0_i64..400, prop::option::weighted(0.2, (0_i64..400, 0_i64..1_000)));
    (0_i64..1_000, prop::collection::vec(step, 1..40)).prop_map(|(start, steps)| {
        let (mut value, mut used) = (start, 0);
        let (mut values, mut replacements) = (vec![start], Vec::new());
        for (hour, (more, replaced)) in steps.into_iter().enumerate() {
            if let Some((rest, first)) = replaced {
                let last = (value + rest) % 1_000;
                replacements.push(Replacement { at: at(60 * hour as i64 + 30), last, first });
                used += rest;
                value = first;
            }
            value = (value + more) % 1_000;
            used += more;
            values.push(value);
        }
        (values, replacements, used)
    })
}

proptest! {
    #[test]
    fn all_that_an_honest_meter_used_is_counted((values, replacements, used) in honest_life()) {
        let register = Register { replacements, ..register(Some(1_000), Some(1_000)) };
        let (increments, doubts) = hourly(&register, &values);
        prop_assert_eq!(doubts.iter().flatten().count(), 0);
        prop_assert_eq!(increments.iter().sum::<i64>(), used);
    }

    #[test]
    fn one_wrong_value_adds_nothing_and_loses_nothing(
        mut values in prop::collection::vec(0_i64..40, 3..20), place in 1_usize..18, wrong in 0_i64..99_999,
    ) {
        values.iter_mut().fold(50_000, |before, value| { *value += before; *value });
        let used = values[values.len() - 1] - values[0];
        let place = place.min(values.len() - 2);
        let around = values[place - 1]..=values[place + 1] + 40;
        prop_assume!(!around.contains(&wrong) && wrong < 90_000);
        values[place] = wrong;
        let limited = register(Some(100_000), Some(40));
        prop_assert_eq!(increments(&limited, &values).iter().sum::<i64>(), used);
    }

    #[test]
    fn a_fold_goes_on_from_the_reading_before_and_what_it_was_suspected_of(
        values in prop::collection::vec(prop_oneof![0_i64..30, 480_i64..520, Just(0), 900_i64..1_000], 1..20),
        decisions in prop::collection::vec(prop::option::weighted(0.3, prop_oneof![
            Just(Decision::Dismissed), (-5_i64..5).prop_map(|n| Decision::Accepted { increment: Some(n) })]), 20),
        replaced in prop::option::of((0_i64..1_200, 0_i64..1_000, 0_i64..1_000)),
    ) {
        let replacements = replaced.map(|(minute, last, first)| Replacement { at: at(minute), last, first });
        let register = Register { replacements: replacements.into_iter().collect(), ..register(Some(1_000), Some(100)) };
        let mut whole = Fold::new(&register, State::default());
        let mut before: Option<(Level, Standing, Option<Decision>)> = None;
        for (hour, (value, decision)) in values.into_iter().zip(decisions).enumerate() {
            let state = before.map_or_else(State::default, |(level, standing, decision)| {
                State::after(level, standing.suspicion.map(|suspicion| suspicion.trusted), decision)
            });
            let reading = level(60 * hour as i64, value);
            let standing = whole.next(reading, decision);
            prop_assert_eq!(Fold::new(&register, state).next(reading, decision), standing);
            before = Some((reading, standing, decision));
        }
    }
}
