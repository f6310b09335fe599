//! What is wrong is found: the comparison with the oracles, on readings that are lost, changed or there in part.

use super::check::compare;
use super::load::{Reading, Sender, decimal};
use super::oracle::{Outcome, Request, Verdict};
use super::stored::{Row, Stored};
use crate::harness::TestApp;

/// 2026-11-01T00:00:00Z
const START: i64 = 1_793_491_200_000;

/// Deltas of `m4`, a second apart: a customer's in Kathmandu, where the day began before.
fn readings(values: impl IntoIterator<Item = i64>) -> Vec<Reading> {
    let reading =
        |value: i64| Reading { device: "m4".to_owned(), metric: "energy".to_owned(), at: START + value * 1000, value };
    values.into_iter().map(reading).collect()
}

fn request(readings: Vec<Reading>, outcome: Outcome) -> Request {
    Request { name: "request".to_owned(), readings, outcome }
}

/// All of these, as they should be stored.
fn stored(readings: &[Reading]) -> Stored {
    let row = |reading: &Reading| {
        let row = Row {
            device: reading.device.clone(),
            metric: reading.metric.clone(),
            at: reading.at,
            value: reading.value,
            increment: reading.value,
            customer: "globex".to_owned(),
            billing_day: "2026-11-01".parse().expect("a day"),
        };
        (reading.identity(), row)
    };
    Stored { rows: readings.iter().map(row).collect(), quarantine: Default::default() }
}

#[track_caller]
fn finds(what: &str, requests: &[Request], stored: &Stored) {
    let found = compare(requests, stored).expect_err("something wrong");
    assert!(found.contains(what), "{found}");
}

pub async fn what_is_lost_changed_or_there_in_part_is_found(_app: TestApp) {
    let (acknowledged, unanswered) = (readings(0..3), readings(3..6));
    let requests = [
        request(acknowledged.clone(), Outcome::Acknowledged(vec![Verdict::Stored; 3])),
        request(unanswered.clone(), Outcome::Unanswered),
    ];
    let all: Vec<_> = [acknowledged.clone(), unanswered].concat();
    // The unanswered one may be there or not.
    assert_eq!(compare(&requests, &stored(&acknowledged)).expect("nothing wrong").whole, 0);
    assert_eq!(compare(&requests, &stored(&all)).expect("nothing wrong").whole, 1);

    finds("request: answered Stored, and it is not so", &requests, &stored(&all[1..]));
    finds("(Unanswered) is there in part", &requests, &stored(&all[..4]));
    finds("stored, but never sent", &requests[..1], &stored(&all));
    let changed = |change: fn(&mut Row)| {
        let mut stored = stored(&all);
        stored.rows.values_mut().for_each(change);
        stored
    };
    finds("stored, but never sent", &requests, &changed(|row| row.value += 1));
    finds("should add", &requests, &changed(|row| row.increment += 1));
    finds("should be globex's of 2026-11-01", &requests, &changed(|row| row.customer = "acme".to_owned()));
    finds(
        "should be globex's",
        &requests,
        &changed(|row| row.billing_day = row.billing_day.pred_opt().expect("a day")),
    );

    let mut ghost = readings(7..8);
    ghost[0].device = "ghost-0".to_owned();
    let waits = [request(ghost.clone(), Outcome::Acknowledged(vec![Verdict::Quarantined]))];
    finds("answered Quarantined", &waits, &stored(&[]));
    let mut kept = stored(&[]);
    kept.quarantine.insert(ghost[0].identity(), vec![decimal(7)]);
    compare(&waits, &kept).expect("nothing wrong");
    finds("in quarantine, but never sent", &[], &kept);
}

pub async fn registers_rise_with_their_instants_whoever_sends_them(_app: TestApp) {
    let mut sent: Vec<Reading> = Vec::new();
    for (number, first) in [(0, 0), (1, 0), (0, 50_000)] {
        let mut sender = Sender::new(5, number, START, first);
        (0..100).for_each(|_| sent.extend(sender.request()));
    }
    let mut registers: Vec<_> = sent.into_iter().filter(|r| r.metric == "total").map(|r| (r.at, r.value)).collect();
    registers.sort_unstable();
    registers.dedup();
    assert!(registers.len() > 1000 && registers.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
}
