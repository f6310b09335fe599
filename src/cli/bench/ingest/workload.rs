//! What is sent: four workloads, each a sequence of requests that follows from its numbers alone, so that what the
//! database has to hold in the end is known without having kept anything.

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::Failure;
use crate::client::Verdicts;

/// The workloads by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// Batches of 5,000 over 4 connections: 5,000 channels every 10 seconds
    A,
    /// One reading per request over 256 connections
    B,
    /// Batches of 1,000 over 16 connections: 500,000 channels every hour
    C,
    /// Like a, with 1 % of the readings sent again and 5 % an hour late
    D,
}

/// Who sends how much at once. Request 0 has the first channels' readings of round 0, and so on through the channels;
/// then comes round 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Workload {
    pub workload: Name,
    pub channels: u32,
    /// Readings of a request.
    pub batch: u32,
    pub connections: u32,
    /// Time between two readings of a channel, in seconds.
    pub every_s: u32,
}

/// A reading that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Number of its device.
    pub device: u32,
    /// Seconds since the first round; before it where the reading is late.
    pub at: i64,
    /// In thousandths.
    pub value: u32,
    /// Whether it was sent before.
    pub again: bool,
}

/// Readings, and what they sum up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub sent: u64,
    /// Without those sent before.
    pub distinct: u64,
    /// Of the values of those, in thousandths.
    pub sum: u64,
}

/// Workload d: of so many readings one is held back, and of so many one is sent again.
const HELD_BACK: i64 = 20;
const SENT_AGAIN: i64 = 100;

/// Seconds for which a reading is held back; it then comes an hour after the readings of its time.
const LATE_S: i64 = 3600;

/// Rounds after which a reading is sent again: more than there are connections, so that it is stored by then.
const AGAIN_AFTER: i64 = 8;

impl Workload {
    /// Of so many per cent of its size; at least one of everything.
    pub fn new(workload: Name, percent: u32) -> Self {
        let of = |whole: u32| (whole * percent / 100).max(1);
        let new = |channels, batch, connections, every_s| Self {
            workload,
            channels: of(channels),
            batch: of(batch),
            connections: of(connections),
            every_s,
        };
        match workload {
            Name::A | Name::D => new(5_000, 5_000, 4, 10),
            Name::B => Self { batch: 1, ..new(5_000, 1, 256, 10) },
            Name::C => new(500_000, 1_000, 16, 3600),
        }
    }

    /// Requests after which every channel has had a reading.
    pub fn requests_of_round(&self) -> u64 {
        self.channels.div_ceil(self.batch).into()
    }

    /// The readings of a request.
    pub fn readings(&self, request: u64) -> impl Iterator<Item = Reading> {
        let per_round = self.requests_of_round();
        let round = (request / per_round).cast_signed();
        let first = (request % per_round) as u32 * self.batch;
        let devices = first..(first + self.batch).min(self.channels);
        let every = i64::from(self.every_s);
        let reading =
            move |device, round, again| Reading { device, at: round * every, value: value(device, round), again };
        let troubled = self.workload == Name::D;
        let (held_round, again_round) = (round - LATE_S / every, round - AGAIN_AFTER);
        let on_time = devices.clone().filter(move |device| !(troubled && is(*device, round, HELD_BACK, 0)));
        let late = devices.clone().filter(move |device| troubled && is(*device, held_round, HELD_BACK, 0));
        let again =
            devices.filter(move |device| troubled && again_round >= 0 && is(*device, again_round, SENT_AGAIN, 1));
        on_time
            .map(move |device| reading(device, round, false))
            .chain(late.map(move |device| reading(device, held_round, false)))
            .chain(again.map(move |device| reading(device, again_round, true)))
    }

    /// What the requests from 0 to before this one come to.
    pub fn totals(&self, requests: u64) -> Totals {
        let mut totals = Totals::default();
        for reading in (0..requests).flat_map(|request| self.readings(request)) {
            totals.add(&reading);
        }
        totals
    }
}

impl Totals {
    pub fn add(&mut self, reading: &Reading) {
        self.sent += 1;
        if !reading.again {
            self.distinct += 1;
            self.sum += u64::from(reading.value);
        }
    }

    /// Fails unless the verdicts add up to that.
    pub fn check<'v>(&self, verdicts: impl IntoIterator<Item = &'v Verdicts>) -> Result<(), Failure> {
        let mut told = Verdicts::default();
        verdicts.into_iter().for_each(|verdicts| told.add(verdicts));
        let Self { sent, distinct, .. } = *self;
        let right = Verdicts { received: sent, stored: distinct, duplicates: sent - distinct, ..Verdicts::default() };
        if told == right {
            Ok(())
        } else {
            Err(Failure::Failed(format!("the verdicts add up to {told:?}, not to {right:?}")))
        }
    }

    pub fn join(&mut self, other: Self) {
        self.sent += other.sent;
        self.distinct += other.distinct;
        self.sum += other.sum;
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} readings, sum {}.{:03}", self.distinct, self.sum / 1000, self.sum % 1000)
    }
}

/// Of four digits.
fn value(device: u32, round: i64) -> u32 {
    1000 + (i64::from(device) * 7 + round * 13).rem_euclid(9000) as u32
}

/// One device of `of` in a round, each in its turn; another one for each `place`.
fn is(device: u32, round: i64, of: i64, place: i64) -> bool {
    (i64::from(device) + round).rem_euclid(of) == place
}

impl std::fmt::Display for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { workload, channels, batch, connections, every_s } = self;
        let name = format!("{workload:?}").to_lowercase();
        let trouble = if *workload == Name::D { ", 1 % sent again, 5 % an hour late" } else { "" };
        write!(f, "{name}: {batch} readings a request over {connections} connections, ")?;
        write!(f, "{channels} channels every {every_s} s{trouble}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn every_channel_has_a_reading_in_every_round() {
        let workload = Workload { workload: Name::C, channels: 7, batch: 3, connections: 1, every_s: 3600 };
        let sent: Vec<Vec<_>> =
            (0..6).map(|n| workload.readings(n).map(|reading| (reading.device, reading.at)).collect()).collect();
        let round = |at| [vec![(0, at), (1, at), (2, at)], vec![(3, at), (4, at), (5, at)], vec![(6, at)]];
        assert_eq!(sent, [round(0), round(3600)].concat());
        // 1000 + 7 x device + 13 x round
        let values: Vec<_> = workload.readings(4).map(|reading| reading.value).collect();
        assert_eq!(values, [1000 + 21 + 13, 1000 + 28 + 13, 1000 + 35 + 13]);
    }

    #[test]
    fn totals_are_those_of_one_clean_delivery() {
        let workload = Workload { workload: Name::A, channels: 2, batch: 2, connections: 1, every_s: 10 };
        // 1000, 1007, then 13 more each.
        assert_eq!(workload.totals(2), Totals { sent: 4, distinct: 4, sum: 2 * (1000 + 1007) + 26 });
        assert_eq!(workload.totals(0), Totals::default());
    }

    #[test]
    fn one_percent_comes_again_and_five_percent_late_and_nothing_twice() {
        let workload = Workload::new(Name::D, 100);
        let (mut seen, mut late, mut again) = (HashMap::new(), 0, 0);
        for (round, reading) in (0..100).flat_map(|n| workload.readings(n).map(move |reading| (n, reading))) {
            let key = (reading.device, reading.at);
            if reading.again {
                assert_eq!(seen.get(&key), Some(&reading.value), "what comes again is as it was");
                again += 1;
            } else {
                assert_eq!(seen.insert(key, reading.value), None, "{reading:?} is sent once");
                late += u32::from(reading.at == round.cast_signed() * 10 - 3600);
            }
        }
        // 250 of each round's 5,000 are held back, and as many of an hour before come instead; 50 of rounds 0 to 91 again.
        assert_eq!((late, again, seen.len()), (100 * 250, 92 * 50, 100 * 5000));
        let totals = workload.totals(100);
        assert_eq!((totals.sent, totals.distinct), (504_600, 500_000));
        assert_eq!(totals.sum, seen.values().map(|value| u64::from(*value)).sum::<u64>());
    }

    #[test]
    fn a_small_one_is_alike() {
        let small = Workload::new(Name::B, 1);
        assert_eq!((small.channels, small.batch, small.connections), (50, 1, 2));
        let small = Workload::new(Name::C, 1);
        assert_eq!((small.channels, small.batch, small.connections), (5_000, 10, 1));
        let devices: HashSet<_> = (0..500).flat_map(|n| small.readings(n)).map(|reading| reading.device).collect();
        assert_eq!((devices.len(), small.requests_of_round()), (5_000, 500));
    }
}
