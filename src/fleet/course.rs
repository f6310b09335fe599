//! What a device reads, day by day.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

use crate::fleet::catalog::{Amount, Channel, Kind, Rhythm};
use crate::fleet::random::Random;
use crate::fleet::roster::{Fleet, Roster};
use crate::fleet::shape::SUN;

/// One reading of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Place in the provider's devices.
    pub device: usize,
    /// Place in the model's channels.
    pub channel: usize,
    pub at: DateTime<Utc>,
    /// The value, scaled by the metric.
    pub units: i64,
    /// The event id.
    pub id: Option<String>,
}

/// A device on its way through time. Days must be taken in order from the plan's first: registers run on.
#[derive(Debug)]
pub struct Course<'a> {
    roster: &'a Roster,
    device: usize,
    seed: u64,
    /// Where the device stands: its habits follow the local clock.
    zone: Tz,
    /// What each channel's register shows; 0 for other channels.
    registers: Vec<i64>,
}

/// Days without any reading, and single readings that are lost, per mille. What was used meanwhile is in the next
/// reading of a register; of deltas it is gone.
const SILENT_DAYS: u64 = 30;
const LOST: u64 = 8;

/// Events that happen at the same instant as the one before, per mille: only their ids tell them apart.
const TWINS: u64 = 50;

/// Streams of random numbers, by what they are for.
const START: u64 = 2;
const SILENCE: u64 = 3;
const CHANNEL: u64 = 16;

impl<'a> Course<'a> {
    pub fn new(fleet: &Fleet, roster: &'a Roster, device: usize) -> Self {
        let at = &roster.devices[device];
        let mut random = Random::of(&[fleet.plan.seed, at.seed, START]);
        let registers = at.model.channels.iter().map(|channel| start(roster, channel, &mut random)).collect();
        Self { roster, device, seed: fleet.plan.seed, zone: roster.time_zone(at.owner.customer), registers }
    }

    /// A UTC day's readings, channel by channel, each in time order.
    pub fn day(&mut self, day: NaiveDate) -> Vec<Reading> {
        let device = &self.roster.devices[self.device];
        let number = day.num_days_from_ce() as u64;
        let silent = Random::of(&[self.seed, device.seed, SILENCE, number]).chance(SILENT_DAYS);
        let mut readings = Vec::new();
        for (channel, plan) in device.model.channels.iter().enumerate() {
            let mut random = Random::of(&[self.seed, device.seed, CHANNEL + channel as u64, number]);
            for (place, at) in instants(plan.rhythm, day, device.seed, &mut random).into_iter().enumerate() {
                let units = self.advance(channel, plan, at, &mut random);
                if random.chance(LOST) || silent {
                    continue;
                }
                let by_event = matches!(plan.rhythm, Rhythm::Events { .. });
                let id = by_event.then(|| format!("{}:{channel}:{day}:{place}", device.key));
                readings.push(Reading { device: self.device, channel, at, units, id });
            }
        }
        readings
    }

    /// The value at an instant; a register moves on.
    fn advance(&mut self, channel: usize, plan: &Channel, at: DateTime<Utc>, random: &mut Random) -> i64 {
        let local = at.with_timezone(&self.zone);
        let (hour, month) = (local.hour() as usize, local.month0() as usize);
        let used = match plan.amount {
            Amount::Level { base, swing, noise } => {
                return base + swing * SUN[hour] / 100 + random.around(noise) - noise;
            }
            Amount::Used { mean, hours, months } => random.around(mean * hours[hour] * months[month] / 10_000),
        };
        let metric = self.roster.metric(plan.metric);
        match (metric.kind, plan.rhythm) {
            (Kind::Register, _) => {
                let register = &mut self.registers[channel];
                *register += used;
                if let Some(end) = metric.rollover_at {
                    *register %= end;
                }
                *register
            }
            // An event is of something.
            (_, Rhythm::Events { .. }) => used.max(1),
            _ => used,
        }
    }
}

/// What a register shows at first. One in three of those that start again at zero is close to it.
fn start(roster: &Roster, channel: &Channel, random: &mut Random) -> i64 {
    let metric = roster.metric(channel.metric);
    let draw = |random: &mut Random, bound: i64| random.below(bound as u64) as i64;
    match (metric.kind, metric.rollover_at) {
        (Kind::Register, Some(end)) if random.below(3) == 0 => end - 1 - draw(random, 9_000),
        (Kind::Register, Some(end)) => draw(random, end / 2),
        (Kind::Register, None) => draw(random, 50_000_000),
        _ => 0,
    }
}

/// The instants of a channel's readings in a day, in order.
fn instants(rhythm: Rhythm, day: NaiveDate, seed: u64, random: &mut Random) -> Vec<DateTime<Utc>> {
    let midnight = day.and_time(NaiveTime::MIN).and_utc();
    let every = |minutes: u32, offset: i64| {
        (0..24 * 60 / minutes)
            .map(move |n| midnight + TimeDelta::seconds(i64::from(n * minutes) * 60 + offset))
            .collect()
    };
    match rhythm {
        Rhythm::Clock { minutes } => every(minutes, 0),
        Rhythm::Own { minutes } => every(minutes, (seed % u64::from(minutes * 60)) as i64),
        Rhythm::Events { a_day } => {
            let mut millis: Vec<u64> = (0..random.around(a_day.into())).map(|_| random.below(86_400_000)).collect();
            millis.sort_unstable();
            for n in 1..millis.len() {
                if random.chance(TWINS) {
                    millis[n] = millis[n - 1];
                }
            }
            millis.into_iter().map(|ms| midnight + TimeDelta::milliseconds(ms as i64)).collect()
        }
    }
}
