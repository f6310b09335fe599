//! What is sent when. Networks lose acknowledgements and hold readings back, so some arrive late, out of order, or
//! twice; every reading arrives at least once.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, TimeDelta, Utc};

use crate::fleet::catalog::Kind;
use crate::fleet::course::{Course, Reading};
use crate::fleet::random::Random;
use crate::fleet::roster::{Fleet, Roster};

/// Readings of one provider that are sent together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Place in the fleet's providers.
    pub provider: usize,
    pub readings: Vec<Sent>,
}

/// A reading on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub reading: Reading,
    /// Whether it was sent before: senders then write the same value in another way.
    again: bool,
}

/// All batches of a fleet in the order in which they are sent.
pub struct Feed<'a> {
    fleet: &'a Fleet,
    size: usize,
    courses: Vec<(usize, Course<'a>)>,
    day: NaiveDate,
    /// What is still under way, by the day of its arrival.
    under_way: BTreeMap<NaiveDate, Vec<(DateTime<Utc>, usize, Sent)>>,
    ready: std::vec::IntoIter<Batch>,
}

/// Readings that are sent a second time, and batches that are sent again whole, per mille.
const SENT_TWICE: u64 = 20;
const BATCH_AGAIN: u64 = 40;

/// Streams of random numbers, by what they are for.
const DELIVERY: u64 = 4;
const RESENDING: u64 = 5;

impl<'a> Feed<'a> {
    /// `size`: most readings of a batch.
    pub fn new(fleet: &'a Fleet, size: usize) -> Self {
        let courses = fleet.providers.iter().enumerate().flat_map(|(provider, roster)| {
            (0..roster.devices.len()).map(move |device| (provider, Course::new(fleet, roster, device)))
        });
        Self {
            fleet,
            size: size.max(1),
            courses: courses.collect(),
            day: fleet.plan.from,
            under_way: BTreeMap::new(),
            ready: Vec::new().into_iter(),
        }
    }

    /// Reads a day of all devices, then takes what arrives on it; on the last day, all that is still under way.
    fn next_day(&mut self) -> Vec<Batch> {
        let (day, last) = (self.day, self.fleet.plan.until.pred_opt().unwrap_or(self.day));
        for (provider, course) in &mut self.courses {
            let readings = course.day(day);
            let Some(first) = readings.first() else { continue };
            let seed = self.fleet.providers[*provider].devices[first.device].seed;
            let mut random = Random::of(&[self.fleet.plan.seed, seed, DELIVERY, day.num_days_from_ce() as u64]);
            for reading in readings {
                let arrival = reading.at + delay(&mut random);
                let again =
                    random.chance(SENT_TWICE).then(|| arrival + TimeDelta::seconds(random.below(172_800) as i64));
                for (arrival, again) in [(Some(arrival), false), (again, true)] {
                    let Some(arrival) = arrival else { continue };
                    let on = arrival.date_naive().min(last);
                    let sent = Sent { reading: reading.clone(), again };
                    self.under_way.entry(on).or_default().push((arrival, *provider, sent));
                }
            }
        }
        self.day = day.succ_opt().unwrap_or(self.fleet.plan.until);
        let mut arrived = self.under_way.remove(&day).unwrap_or_default();
        arrived.sort_by(|a, b| order(a).cmp(&order(b)));
        self.batches(day, arrived)
    }

    fn batches(&self, day: NaiveDate, arrived: Vec<(DateTime<Utc>, usize, Sent)>) -> Vec<Batch> {
        let mut random = Random::of(&[self.fleet.plan.seed, RESENDING, day.num_days_from_ce() as u64]);
        let mut by_provider: Vec<Vec<Sent>> = vec![Vec::new(); self.fleet.providers.len()];
        for (_, provider, sent) in arrived {
            by_provider[provider].push(sent);
        }
        let mut batches = Vec::new();
        for (provider, readings) in by_provider.into_iter().enumerate() {
            batches.extend(readings.chunks(self.size).map(|part| Batch { provider, readings: part.to_vec() }));
        }
        let again: Vec<Batch> = batches.iter().filter(|_| random.chance(BATCH_AGAIN)).cloned().collect();
        batches.extend(again);
        batches
    }
}

impl Iterator for Feed<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        loop {
            if let Some(batch) = self.ready.next() {
                return Some(batch);
            }
            if self.day >= self.fleet.plan.until {
                return None;
            }
            self.ready = self.next_day().into_iter();
        }
    }
}

/// From its instant to its arrival: mostly at once, some out of order, a few days late.
fn delay(random: &mut Random) -> TimeDelta {
    let bound = match random.below(1000) {
        0..800 => 60,
        800..950 => 3 * 3_600,
        950..990 => 24 * 3_600,
        _ => 6 * 86_400,
    };
    TimeDelta::seconds(random.below(bound) as i64)
}

/// Arrival first; the rest makes the order complete, so that it is the same everywhere.
fn order<'b>(item: &'b (DateTime<Utc>, usize, Sent)) -> impl Ord + use<'b> {
    let (arrival, provider, sent) = item;
    let reading = &sent.reading;
    (*arrival, *provider, reading.device, reading.channel, reading.at, &reading.id, sent.again)
}

impl Batch {
    /// The batch as the body of `POST /v1/readings`, `application/x-ndjson`.
    pub fn ndjson(&self, fleet: &Fleet) -> String {
        let roster = &fleet.providers[self.provider];
        let mut body = String::with_capacity(self.readings.len() * 160);
        for sent in &self.readings {
            sent.write(roster, &mut body);
        }
        body
    }
}

impl Sent {
    /// One line. Keys, ids and dimensions of the catalog need no escapes: all are `A-Z a-z 0-9 . _ : ~ -`.
    fn write(&self, roster: &Roster, line: &mut String) {
        let reading = &self.reading;
        let device = &roster.devices[reading.device];
        let channel = &device.model.channels[reading.channel];
        let zone = roster.time_zone(device.owner.customer);
        // Half of the senders write their own offset.
        let at = match device.seed % 2 {
            0 => reading.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            _ => reading.at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Millis, false),
        };
        let value = self.spelling(roster);
        let mut put = |text: std::fmt::Arguments<'_>| line.write_fmt(text).expect("a String takes what is written");
        put(format_args!(r#"{{"device":"{}","metric":"{}","at":"{at}","value":{value}"#, device.key, channel.metric));
        if let Some(id) = &reading.id {
            put(format_args!(r#","id":"{id}""#));
        }
        for (place, (name, value)) in channel.dimensions.iter().enumerate() {
            put(format_args!(r#"{}"{name}":"{value}""#, if place == 0 { r#","dimensions":{"# } else { "," }));
        }
        put(format_args!("{}\n", if channel.dimensions.is_empty() { "}" } else { "}}" }));
    }

    /// The value as a sender writes it: a JSON number, or a string when it is sent again. Levels come from floating
    /// point, a hair below what is meant.
    fn spelling(&self, roster: &Roster) -> String {
        let reading = &self.reading;
        let metric = roster.metric(roster.devices[reading.device].model.channels[reading.channel].metric);
        if self.again {
            return format!("\"{}\"", decimal(reading.units.into(), metric.scale));
        }
        if metric.kind == Kind::Gauge && reading.at.timestamp() % 7 == 0 {
            let finer = i128::from(reading.units) * 10_i128.pow(12) - 2;
            return decimal(finer, metric.scale + 12);
        }
        decimal(reading.units.into(), metric.scale)
    }
}

/// An integer scaled by 10^`scale` as text, all decimals written.
pub fn decimal(units: i128, scale: u8) -> String {
    let unit = 10_u128.pow(scale.into());
    let (sign, units) = (if units < 0 { "-" } else { "" }, units.unsigned_abs());
    match scale {
        0 => format!("{sign}{units}"),
        _ => format!("{sign}{}.{:0width$}", units / unit, units % unit, width = scale.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fleet::plan::Plan;

    fn fleet(seed: u64, devices: u32, days: u32) -> Fleet {
        Fleet::new(Plan::new(seed, devices, days, "2026-04-02".parse().unwrap()).unwrap())
    }

    #[test]
    fn the_same_plan_sends_the_same_and_another_seed_does_not() {
        let bodies = |seed| {
            let fleet = fleet(seed, 21, 4);
            Feed::new(&fleet, 500).map(|batch| batch.ndjson(&fleet)).collect::<String>()
        };
        assert_eq!(bodies(1), bodies(1));
        assert_ne!(bodies(1), bodies(2));
    }

    #[test]
    fn a_longer_plan_reads_the_same_in_its_first_days() {
        let until: NaiveDate = "2026-04-02".parse().unwrap();
        let short = fleet(3, 21, 4);
        let long = Fleet::new(short.plan.extended(until + TimeDelta::days(3)).unwrap());
        let readings = |fleet: &Fleet| {
            let sent = Feed::new(fleet, 500).flat_map(|batch| {
                let provider = batch.provider;
                batch.readings.into_iter().map(move |sent| (provider, format!("{:?}", sent.reading), sent.reading.at))
            });
            let early = sent.filter(|(_, _, at)| at.date_naive() < until);
            early.map(|(provider, reading, _)| (provider, reading)).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(readings(&short), readings(&long));
    }

    #[test]
    fn some_readings_come_twice_some_out_of_order_and_some_days_late() {
        let fleet = fleet(1, 60, 12);
        let (mut seen, mut newest) = (std::collections::HashSet::new(), BTreeMap::new());
        let (mut twice, mut out_of_order, mut late) = (0, 0, 0);
        for batch in Feed::new(&fleet, 500) {
            assert!(batch.readings.len() <= 500);
            for sent in batch.readings {
                let Reading { device, channel, at, id, .. } = sent.reading;
                let newest = newest.entry((batch.provider, device, channel)).or_insert(at);
                out_of_order += u32::from(at < *newest);
                late += u32::from(*newest - at > TimeDelta::days(2));
                *newest = at.max(*newest);
                twice += u32::from(!seen.insert((batch.provider, device, channel, at, id)));
            }
        }
        let total = seen.len() as u32;
        assert!(twice * 1000 > total * 20 && twice * 1000 < total * 200, "{twice} of {total} twice");
        assert!(out_of_order * 100 > total && late > 10, "{out_of_order} out of order, {late} late, of {total}");
    }

    #[test]
    fn decimals_are_written_out() {
        for (units, scale, text) in [(5, 0, "5"), (-5, 1, "-0.5"), (12_340, 3, "12.340"), (-100, 2, "-1.00")] {
            assert_eq!(decimal(units, scale), text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        // What is written is what is meant, as the server's own parsers read it; the same reading is never sent with
        // two values.
        #[test]
        fn every_line_says_what_its_reading_is(seed in 0_u64..1_000, devices in 1_u32..30, size in 1_usize..400) {
            let fleet = fleet(seed, devices, 2);
            for batch in Feed::new(&fleet, size) {
                let roster = &fleet.providers[batch.provider];
                let body = batch.ndjson(&fleet);
                prop_assert_eq!(body.lines().count(), batch.readings.len());
                for (line, sent) in body.lines().zip(&batch.readings) {
                    let line: serde_json::Value = serde_json::from_str(line).unwrap();
                    let device = &roster.devices[sent.reading.device];
                    let channel = &device.model.channels[sent.reading.channel];
                    prop_assert_eq!(&line["device"], &device.key);
                    prop_assert_eq!(&line["metric"], channel.metric);
                    prop_assert_eq!(line["id"].as_str(), sent.reading.id.as_deref());
                    for (name, value) in channel.dimensions {
                        prop_assert_eq!(&line["dimensions"][name], value);
                    }
                    let at = crate::core::instant::parse(line["at"].as_str().unwrap());
                    prop_assert_eq!(at, Ok(sent.reading.at));
                    let scale = roster.metric(channel.metric).scale;
                    let text = sent.spelling(roster);
                    let units = crate::core::decimal::parse(text.trim_matches('"'), scale, false);
                    prop_assert_eq!(units, Ok(sent.reading.units));
                }
            }
        }
    }
}
