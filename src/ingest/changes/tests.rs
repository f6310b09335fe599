use proptest::prelude::*;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

/// A reading: channel, customer and group, instant, day of May 2026, value and increment.
type Reading = (i32, (i32, i32), DateTime<Utc>, u32, i64, i64);

fn changes(readings: &[Reading]) -> Changes {
    let added = readings.iter().map(|(channel_id, (customer_id, group_id), at, day, value, increment)| {
        let owner = Owner { customer_id: *customer_id, group_id: *group_id };
        (*at, may(*day), Added::one(*channel_id, owner, *at, *value, *increment))
    });
    Changes::of_added(added)
}

fn may(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 5, day).expect("a day of May")
}

#[test]
fn each_hour_and_billing_day_has_its_channels_with_what_they_add_up_to() {
    let readings = [
        (3, (1, 0), at("2026-05-10T07:20:00Z"), 10, 5, 50),
        (3, (1, 0), at("2026-05-10T07:40:00Z"), 10, -7, 70),
        (3, (2, 9), at("2026-05-10T07:50:00Z"), 10, 11, 1),
        (3, (2, 9), at("2026-05-10T08:00:00Z"), 11, 12, 2),
        (5, (1, 0), at("2026-05-10T07:10:00Z"), 10, 13, 3),
        (9, (1, 0), at("2026-05-10T07:10:00Z"), 11, 14, 4),
    ];
    let (seven, eight) = (at("2026-05-10T07:00:00Z"), at("2026-05-10T08:00:00Z"));
    let times = |times: [&str; 5]| times.map(|time| at(&format!("2026-05-10T{time}:00Z"))).to_vec();
    let expected = Changes {
        hours: vec![seven, seven, eight],
        ends: vec![3, 4, 5],
        channels: vec![3, 3, 5, 9, 3],
        sums: Some(Sums {
            billing_days: vec![may(10), may(11), may(11)],
            customers: vec![1, 2, 1, 1, 2],
            groups: vec![0, 9, 0, 0, 9],
            increments: vec![120, 1, 3, 4, 2],
            values: vec![-2, 11, 13, 14, 12],
            first_times: times(["07:20", "07:50", "07:10", "07:10", "08:00"]),
            several: Some(Several {
                counts: vec![2, 1, 1, 1, 1],
                lowest: vec![-7, 11, 13, 14, 12],
                highest: vec![5, 11, 13, 14, 12],
                first_values: vec![5, 11, 13, 14, 12],
                last_times: times(["07:40", "07:50", "07:10", "07:10", "08:00"]),
                last_values: vec![-7, 11, 13, 14, 12],
            }),
        }),
    };
    assert_eq!(changes(&readings), expected);
}

#[test]
fn one_reading_each_is_said_in_short() {
    let first = at("2026-05-10T07:20:00Z");
    let readings: Vec<_> = (1..=25_000).map(|channel| (channel, (channel % 7, 0), first, 10, 3, 2)).collect();
    let changes = changes(&readings);
    assert_eq!(changes.ends, [10_000, 20_000, 25_000]);
    assert_eq!(changes.hours, [at("2026-05-10T07:00:00Z"); 3]);
    let sums = changes.sums.expect("sums");
    assert_eq!((sums.billing_days, sums.values.len(), sums.several), (vec![may(10); 3], 25_000, None));
}

#[test]
fn sums_that_are_out_of_range_are_not_said() {
    let first = at("2026-05-10T07:20:00Z");
    let (owner, most) = ((1, 0), i64::MAX);
    assert!(changes(&[(1, owner, first, 10, most, 1), (1, owner, first, 10, 0, 1)]).sums.is_some());
    let too_much = changes(&[(1, owner, first, 10, most, 1), (1, owner, first, 10, 1, 1), (2, owner, first, 10, 1, 1)]);
    assert_eq!((too_much.sums, too_much.channels), (None, vec![1, 2]));
    assert_eq!(changes(&[(1, owner, first, 10, 1, -most), (1, owner, first, 10, 1, -2)]).sums, None);
}

/// Hour and billing day, channel, customer and group.
type Of = (DateTime<Utc>, NaiveDate, i32, i32, i32);

/// Count, sums of increments and values, least and greatest value, first and last reading.
type Figures = (i64, i64, i64, i64, i64, (DateTime<Utc>, i64), (DateTime<Utc>, i64));

/// All elements, which may name a channel and owner more than once.
fn elements(changes: &Changes) -> Vec<(Of, Figures)> {
    let sums = changes.sums.as_ref().expect("sums");
    let mut start = 0;
    let mut elements = Vec::new();
    for (row, end) in changes.ends.iter().enumerate() {
        for i in start..*end as usize {
            let of =
                (changes.hours[row], sums.billing_days[row], changes.channels[i], sums.customers[i], sums.groups[i]);
            let (value, first) = (sums.values[i], sums.first_times[i]);
            let figures = match &sums.several {
                None => (1, sums.increments[i], value, value, value, (first, value), (first, value)),
                Some(several) => (
                    several.counts[i].into(),
                    sums.increments[i],
                    value,
                    several.lowest[i],
                    several.highest[i],
                    (first, several.first_values[i]),
                    (several.last_times[i], several.last_values[i]),
                ),
            };
            elements.push((of, figures));
        }
        start = *end as usize;
    }
    elements
}

/// What a channel and owner adds up to in an hour, from its readings one by one.
fn naive(readings: &[Reading], of: Of) -> Figures {
    let hour = |at: DateTime<Utc>| at.timestamp().div_euclid(3600);
    let mut its: Vec<_> = readings
        .iter()
        .filter(|r| (hour(r.2), may(r.3), r.0, r.1.0, r.1.1) == (hour(of.0), of.1, of.2, of.3, of.4))
        .map(|r| (r.2, r.4, r.5))
        .collect();
    its.sort_unstable();
    let values: Vec<_> = its.iter().map(|(_, value, _)| *value).collect();
    (
        its.len() as i64,
        its.iter().map(|(_, _, increment)| increment).sum(),
        values.iter().sum(),
        *values.iter().min().expect("a reading"),
        *values.iter().max().expect("a reading"),
        (its[0].0, its[0].1),
        (its[its.len() - 1].0, values[values.len() - 1]),
    )
}

fn reading() -> impl Strategy<Value = Reading> {
    // Around two hours and a midnight before 1970, at few instants, so that some are the same.
    let owner = (1..3_i32, 0..2_i32);
    (1..6_i32, owner, -30..30_i64, 10..12_u32, -50..50_i64, -50..50_i64).prop_map(
        |(channel, owner, minutes, day, value, increment)| {
            (channel, owner, DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes * 5), day, value, increment)
        },
    )
}

proptest! {
    #[test]
    fn the_elements_add_up_to_all_readings(mut readings in proptest::collection::vec(reading(), 1..80)) {
        readings.sort_by_key(|reading| reading.0);
        let mut added: BTreeMap<Of, Figures> = BTreeMap::new();
        for (of, new) in elements(&changes(&readings)) {
            added
                .entry(of)
                .and_modify(|old| {
                    *old = (
                        old.0 + new.0, old.1 + new.1, old.2 + new.2, old.3.min(new.3), old.4.max(new.4), old.5.min(new.5),
                        old.6.max(new.6),
                    );
                })
                .or_insert(new);
        }
        prop_assert_eq!(added.values().map(|figures| figures.0).sum::<i64>(), readings.len() as i64);
        for (of, figures) in added {
            prop_assert_eq!(figures, naive(&readings, of), "of {:?}", of);
        }
    }
}
