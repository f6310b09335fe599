use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, TimeDelta};
use proptest::prelude::*;

use super::*;

/// Minutes since the first day began.
fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

const DAY: i64 = 100;

fn day(number: i64) -> Option<Period> {
    Some(Period::Day(NaiveDate::from_ymd_opt(1970, 1, 1).unwrap() + TimeDelta::days(number)))
}

/// A look at a day that is judged from its start on; days have a hundred minutes here.
fn look(number: i64, figure: impl Into<Option<i64>>) -> Look {
    let figure = figure.into().map(|units| Figure::whole(Scaled::new(units, 0)));
    Look { period: day(number), opens: at(number * DAY), figure }
}

fn above(step: i64, resolve: Option<i64>, hold: i64) -> Rule {
    let plain = |units| Scaled::new(units, 0);
    let (steps, hold) = (vec![plain(step)], TimeDelta::minutes(hold));
    Rule { side: Side::Above, steps, resolve: resolve.map(plain), hold, each_step: false }
}

fn quota(steps: &[i64]) -> Rule {
    let steps = steps.iter().map(|units| Scaled::new(*units, 0)).collect();
    Rule { side: Side::Reached, steps, resolve: None, hold: TimeDelta::zero(), each_step: true }
}

/// What is told, as `fires 3`, `resolves 3 over`, `fires 3 step 1 late`.
fn told(transitions: Vec<Transition>) -> Vec<String> {
    let one = |told: Transition| {
        let Some(Period::Day(day)) = told.period else { panic!("a day") };
        let number = (day - NaiveDate::from_ymd_opt(1970, 1, 1).unwrap()).num_days();
        let word = if told.state == State::Firing { "fires" } else { "resolves" };
        let step = told.step.filter(|step| *step > 0).map_or(String::new(), |step| format!(" step {step}"));
        let reason = match told.reason {
            Some(Reason::Over) => " over",
            Some(Reason::Back) => " back",
            None => "",
        };
        let late = if told.is_late { " late" } else { "" };
        format!("{word} {number}{step}{reason}{late}")
    };
    transitions.into_iter().map(one).collect()
}

#[test]
fn what_stands_is_told_once_and_resolves_with_the_next_period() {
    let (rule, mut memory) = (above(10, None, 0), Memory::default());
    let mut judge = |looks: &[Look], now| told(rule.judge(&mut memory, looks, at(now)));
    assert!(judge(&[look(0, 10)], 5).is_empty());
    assert_eq!(judge(&[look(0, 11)], 6), ["fires 0"]);
    assert!(judge(&[look(0, 20)], 7).is_empty());
    // A period without any reading says nothing.
    assert!(judge(&[look(0, 20), look(1, None)], 101).is_empty());
    assert_eq!(judge(&[look(0, 20), look(1, 3)], 102), ["resolves 0 over"]);
    assert!(judge(&[look(0, 20), look(1, 3)], 103).is_empty());
    assert_eq!(judge(&[look(0, 20), look(1, 30)], 104), ["fires 1"]);
    // The next one is beyond from its first look on: it stands still.
    assert!(judge(&[look(1, 30), look(2, 30)], 201).is_empty());
    // The first one comes back by a correction, so the next is told.
    assert_eq!(judge(&[look(1, 3), look(2, 30)], 202), ["resolves 1 back late", "fires 2"]);
    assert_eq!(judge(&[look(2, 3)], 203), ["resolves 2 back"]);
}

#[test]
fn late_readings_make_ended_periods_fire_and_resolve() {
    let (rule, mut memory) = (above(10, None, 0), Memory::default());
    let mut judge = |looks: &[Look], now| told(rule.judge(&mut memory, looks, at(now)));
    assert!(judge(&[look(0, 1), look(1, 1), look(2, 1)], 250).is_empty());
    assert_eq!(judge(&[look(0, 1), look(1, 11), look(2, 1)], 260), ["fires 1 late"]);
    assert!(judge(&[look(0, 1), look(1, 11), look(2, 1)], 270).is_empty());
    assert_eq!(judge(&[look(0, 1), look(1, 9), look(2, 1)], 280), ["resolves 1 back late"]);
    assert_eq!(judge(&[look(0, 1), look(1, 12), look(2, 1)], 290), ["fires 1 late"]);
    assert_eq!(judge(&[look(1, 12), look(2, 1), look(3, 1)], 300), ["resolves 1 over"]);
}

#[test]
fn a_figure_has_to_come_back_further_than_it_went() {
    let (rule, mut memory) = (above(10, Some(5), 0), Memory::default());
    let mut judge = |units, now| told(rule.judge(&mut memory, &[look(0, units)], at(now)));
    assert_eq!(judge(11, 1), ["fires 0"]);
    assert!(judge(6, 2).is_empty());
    assert!(judge(12, 3).is_empty());
    assert_eq!(judge(5, 4), ["resolves 0 back"]);
    assert!(judge(10, 5).is_empty());
    assert_eq!(judge(11, 6), ["fires 0"]);
}

#[test]
fn a_figure_has_to_stay_beyond_for_as_long_as_is_said() {
    let (rule, mut memory) = (above(10, None, 30), Memory::default());
    let mut judge = |looks: &[Look], now| told(rule.judge(&mut memory, looks, at(now)));
    assert!(judge(&[look(0, 11)], 10).is_empty());
    assert!(judge(&[look(0, 9)], 20).is_empty());
    assert!(judge(&[look(0, 11)], 30).is_empty());
    assert!(judge(&[look(0, 11)], 59).is_empty());
    assert_eq!(judge(&[look(0, 11)], 60), ["fires 0"]);
    // Not when its period is over before.
    assert_eq!(judge(&[look(0, 11), look(1, 0)], 101), ["resolves 0 over"]);
    assert!(judge(&[look(1, 11)], 190).is_empty());
    assert!(judge(&[look(1, 11), look(2, 0)], 200).is_empty());
    assert!(judge(&[look(1, 11), look(2, 0)], 290).is_empty());
}

#[test]
fn each_step_of_a_quota_is_told_once_a_period() {
    let (rule, mut memory) = (quota(&[8, 10]), Memory::default());
    let mut judge = |looks: &[Look], now| told(rule.judge(&mut memory, looks, at(now)));
    assert_eq!(judge(&[look(0, 8)], 10), ["fires 0"]);
    assert!(judge(&[look(0, 9)], 20).is_empty());
    assert_eq!(judge(&[look(0, 7)], 30), ["resolves 0 back"]);
    assert!(judge(&[look(0, 8)], 40).is_empty());
    assert_eq!(judge(&[look(0, 10)], 50), ["fires 0 step 1"]);
    assert_eq!(judge(&[look(0, 10), look(1, 0)], 101), ["resolves 0 over"]);
    assert_eq!(judge(&[look(0, 10), look(1, 12)], 102), ["fires 1", "fires 1 step 1"]);
    assert_eq!(judge(&[look(1, 12), look(2, 9)], 201), ["resolves 1 over", "fires 2"]);
    assert_eq!(judge(&[look(1, 12), look(2, 9), look(3, 0)], 301), ["resolves 2 over"]);
    // A late reading brings a period that is over to its next step.
    assert_eq!(judge(&[look(2, 10), look(3, 0)], 302), ["fires 2 step 1 late"]);
}

#[test]
fn a_share_is_compared_exactly() {
    let share = |part, all| Figure::percent(part, all).unwrap();
    assert_eq!(Figure::percent(0, 0), None);
    assert_eq!(share(1, 3).compare(Scaled::new(33_333, 3)), Ordering::Greater);
    assert_eq!(share(1, 3).compare(Scaled::new(33_333_334, 6)), Ordering::Less);
    assert_eq!(share(333, 1000).compare(Scaled::new(333, 1)), Ordering::Equal);
    assert_eq!(
        [share(1, 3), share(2, 3), share(1, 1)].map(|share| share.shown().to_string()),
        ["33.333", "66.667", "100.000"]
    );
    assert_eq!(Figure::whole(Scaled::new(125, 2)).shown().to_string(), "1.25");
}

#[test]
fn steps_are_plain_decimals() {
    let read = |text: &str| step(text).map(|step| step.to_string());
    for text in ["0", "12", "-12.50", "0.000000001", "999999999999999999"] {
        assert_eq!(read(text).as_deref(), Ok(text));
    }
    for text in ["", "-", ".5", "5.", "1e3", "1,5", "+1", " 1", "NaN", "--1"] {
        assert_eq!(read(text), Err(BadStep::NotANumber), "{text}");
    }
    for text in ["1.0000000001", "10000000000000000000"] {
        assert_eq!(read(text), Err(BadStep::TooLong), "{text}");
    }
}

/// Rounds of looks: when, how many of the newest days are looked at, and a figure for each day.
fn rounds() -> impl Strategy<Value = Vec<(DateTime<Utc>, Vec<Look>)>> {
    let figure = prop_oneof![1 => Just(None), 9 => (0_i64..15).prop_map(Some)];
    let round = (1_i64..90, 1_usize..8, prop::collection::vec(figure, 8));
    prop::collection::vec(round, 1..25).prop_map(|rounds| {
        let mut now = 0;
        let round = |(minutes, newest, figures): (i64, usize, Vec<Option<i64>>)| {
            now += minutes;
            let open = (0..8).filter(|number| number * DAY <= now).count();
            let looks = (open.saturating_sub(newest)..open).map(|number| look(number as i64, figures[number]));
            (at(now), looks.collect())
        };
        rounds.into_iter().map(round).collect()
    })
}

/// Which days stand after each round, told again from all rounds: those that are beyond, unless a later day was looked at,
/// and was not beyond, that had begun after they came to be beyond.
fn standing(rounds: &[(DateTime<Utc>, Vec<Look>)], step: i64, resolve: i64) -> BTreeSet<Option<Period>> {
    let mut since = BTreeMap::<Option<Period>, DateTime<Utc>>::new();
    let mut over = BTreeSet::new();
    for (now, looks) in rounds {
        for look in looks {
            let least = if since.contains_key(&look.period) { resolve } else { step };
            let is_beyond = look.figure.is_some_and(|figure| figure.value.units > i128::from(least));
            if !is_beyond {
                since.remove(&look.period);
                over.remove(&look.period);
            } else {
                since.entry(look.period).or_insert(*now);
            }
        }
        let quiet = looks.iter().filter(|look| look.figure.is_some() && !since.contains_key(&look.period));
        for quiet in quiet {
            over.extend(
                since.iter().filter(|(day, at)| **day < quiet.period && **at < quiet.opens).map(|(day, _)| *day),
            );
        }
    }
    since.into_keys().filter(|day| !over.contains(day)).collect()
}

proptest! {
    #[test]
    fn what_stands_is_what_all_rounds_say(rounds in rounds(), step in 2_i64..12, less in 0_i64..4) {
        let (rule, mut memory) = (above(step, Some(step - less), 0), Memory::default());
        let mut told = BTreeMap::<Option<Period>, i64>::new();
        for (number, (now, looks)) in rounds.iter().enumerate() {
            for transition in rule.judge(&mut memory, looks, *now) {
                let open = told.entry(transition.period).or_default();
                *open += if transition.state == State::Firing { 1 } else { -1 };
                prop_assert!((0..=1).contains(open), "a day fires, then resolves");
            }
            let standing = standing(&rounds[..=number], step, step - less);
            prop_assert_eq!(memory.fires(), !standing.is_empty());
            let open: BTreeSet<_> = told.iter().filter(|(_, open)| **open > 0).map(|(day, _)| *day).collect();
            prop_assert!(open.is_subset(&standing), "{:?} {:?}", open, standing);
            // The first that stands was told.
            prop_assert!(standing.first().is_none_or(|first| open.contains(first)), "{:?} {:?}", open, standing);
        }
    }

    #[test]
    fn each_step_reached_is_told_exactly_once(rounds in rounds(), first in 1_i64..6, more in 1_i64..6) {
        let (rule, mut memory) = (quota(&[first, first + more]), Memory::default());
        let (mut told, mut reached) = (Vec::new(), BTreeSet::new());
        for (now, looks) in &rounds {
            told.extend(rule.judge(&mut memory, looks, *now).into_iter().filter_map(|one| Some((one.period, one.step?))));
            for look in looks {
                let units = look.figure.map_or(0, |figure| figure.value.units);
                reached.extend((0..2).filter(|step| units >= i128::from([first, first + more][*step])).map(|step| (look.period, step)));
            }
        }
        told.sort();
        prop_assert_eq!(told, reached.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_remembered_outlives_a_restart(rounds in rounds(), step in 2_i64..12, hold in 0_i64..100) {
        let rule = above(step, None, hold);
        let (mut kept, mut written) = (Memory::default(), Memory::default());
        for (now, looks) in &rounds {
            let text = serde_json::to_string(&written).unwrap();
            written = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(rule.judge(&mut kept, looks, *now), rule.judge(&mut written, looks, *now));
        }
    }
}
