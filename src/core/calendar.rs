//! A billing calendar: on which day an instant is, for an owner whose time zone may change from a day on.
//!
//! The day before a change ends at its midnight in the old time zone, and the new time zone's days follow: the first of
//! them is longer or shorter by the difference of the two. Every instant is on exactly one day and days never go back,
//! except where the clocks of a time zone itself are put back over midnight (St. John's, until 2011): then a day is the
//! date that the clock shows.

use std::iter;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::core::period::day_start;

/// An owner's days. Equal calendars have equal days.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Calendar {
    /// Never empty; by first day, and so by instant.
    stretches: Vec<Stretch>,
}

/// Days of one time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// [`NaiveDate::MIN`] where nothing was before.
    pub first_day: NaiveDate,
    /// The start of that day; [`DateTime::MIN_UTC`] where nothing was before.
    pub since: DateTime<Utc>,
    pub zone: Tz,
}

impl Calendar {
    /// The days of one time zone.
    pub fn new(zone: Tz) -> Self {
        Self { stretches: vec![Stretch { first_day: NaiveDate::MIN, since: DateTime::<Utc>::MIN_UTC, zone }] }
    }

    /// The calendar with another time zone from a day on, whatever was said about the days from then on before.
    pub fn then(mut self, first_day: NaiveDate, zone: Tz) -> Self {
        let kept = self.stretches.partition_point(|stretch| stretch.first_day < first_day);
        self.stretches.truncate(kept.max(1));
        if self.stretches.last().is_some_and(|last| last.zone != zone) {
            let since = self.start_of(first_day);
            self.stretches.push(Stretch { first_day, since, zone });
        }
        self
    }

    /// The stretches, oldest first. One may hold no instant at all: days that the next one's zone is already past.
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// The day of an instant.
    pub fn day_of(&self, at: DateTime<Utc>) -> NaiveDate {
        let stretch = self.stretch_at(at);
        at.with_timezone(&stretch.zone).date_naive().max(stretch.first_day)
    }

    /// The first instant of a day; that of the next day, where a day has none.
    pub fn start_of(&self, day: NaiveDate) -> DateTime<Utc> {
        let begun = self.stretches.partition_point(|stretch| stretch.first_day <= day);
        let stretch = self.stretches[begun.saturating_sub(1)];
        if day == stretch.first_day { stretch.since } else { day_start(day, stretch.zone).max(stretch.since) }
    }

    /// The time zone that holds at an instant.
    pub fn zone_at(&self, at: DateTime<Utc>) -> Tz {
        self.stretch_at(at).zone
    }

    /// The time zone up to an instant: that in which the end of a day is a midnight.
    pub fn zone_until(&self, at: DateTime<Utc>) -> Tz {
        let begun = self.stretches.partition_point(|stretch| stretch.since < at);
        self.stretches[begun.saturating_sub(1)].zone
    }

    /// The stretches that hold days of `[from, to)`, each from the first of those days.
    pub fn days(&self, from: NaiveDate, to: NaiveDate) -> Vec<Stretch> {
        let ends = self.stretches.iter().skip(1).map(|next| next.first_day).chain(iter::once(NaiveDate::MAX));
        let within = self.stretches.iter().zip(ends).filter(|(s, end)| s.first_day < to && *end > from);
        let cut = within.map(|(s, _)| {
            let first_day = s.first_day.max(from);
            Stretch { first_day, since: self.start_of(first_day), zone: s.zone }
        });
        cut.collect()
    }

    /// The stretches that hold instants of `[from, to)`, each from the first of those instants.
    pub fn instants(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Stretch> {
        let ends = self.stretches.iter().skip(1).map(|next| next.since).chain(iter::once(DateTime::<Utc>::MAX_UTC));
        let within = self.stretches.iter().zip(ends).filter(|(s, end)| s.since < to && *end > from && *end > s.since);
        let cut = within.map(|(s, _)| {
            let since = s.since.max(from);
            Stretch { first_day: self.day_of(since), since, zone: s.zone }
        });
        cut.collect()
    }

    fn stretch_at(&self, at: DateTime<Utc>) -> Stretch {
        let begun = self.stretches.partition_point(|stretch| stretch.since <= at);
        self.stretches[begun.saturating_sub(1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Days, TimeDelta};
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_day_of_a_change_is_longer_or_shorter() {
        let (honolulu, apia) = (Tz::Pacific__Honolulu, Tz::Pacific__Apia);
        // Before, after; start and end of 1 December.
        let cases = [
            (Tz::Europe__Paris, Tz::America__New_York, "2026-11-30T23:00:00Z", "2026-12-02T05:00:00Z"),
            (Tz::Asia__Kathmandu, Tz::Europe__Paris, "2026-11-30T18:15:00Z", "2026-12-01T23:00:00Z"),
            // Over the date line: 47 hours, and one.
            (apia, honolulu, "2026-11-30T11:00:00Z", "2026-12-02T10:00:00Z"),
            (honolulu, apia, "2026-12-01T10:00:00Z", "2026-12-01T11:00:00Z"),
            // 26 hours apart: the day has no instant, or 50 hours.
            (Tz::Etc__GMTPlus12, Tz::Pacific__Kiritimati, "2026-12-01T12:00:00Z", "2026-12-01T12:00:00Z"),
            (Tz::Pacific__Kiritimati, Tz::Etc__GMTPlus12, "2026-11-30T10:00:00Z", "2026-12-02T12:00:00Z"),
        ];
        for (before, after, start, end) in cases {
            let calendar = Calendar::new(before).then(day("2026-12-01"), after);
            assert_eq!(calendar.start_of(day("2026-12-01")), utc(start), "{before} {after}");
            assert_eq!(calendar.start_of(day("2026-12-02")), utc(end), "{before} {after}");
            let last = utc(start) - TimeDelta::microseconds(1);
            assert_eq!(calendar.day_of(last), day("2026-11-30"), "{before} {after}");
            assert_eq!(calendar.day_of(utc(end)), day("2026-12-02"), "{before} {after}");
            assert_eq!((calendar.zone_until(utc(start)), calendar.zone_at(utc(start))), (before, after));
        }
    }

    #[test]
    fn a_change_replaces_what_was_said_of_its_days() {
        let calendar = Calendar::new(Tz::UTC).then(day("2026-05-01"), Tz::Asia__Tokyo);
        let later = calendar.clone().then(day("2026-06-01"), Tz::Asia__Kathmandu);
        assert_eq!(later.clone().then(day("2026-06-01"), Tz::Asia__Tokyo), calendar);
        assert_eq!(later.clone().then(day("2026-04-01"), Tz::UTC), Calendar::new(Tz::UTC));
        assert_eq!(later.stretches().len(), 3);
        let zones = |stretches: Vec<Stretch>| stretches.iter().map(|s| s.zone).collect::<Vec<_>>();
        assert_eq!(zones(later.days(day("2026-04-30"), day("2026-05-01"))), [Tz::UTC]);
        assert_eq!(zones(later.days(day("2026-04-30"), day("2026-05-02"))), [Tz::UTC, Tz::Asia__Tokyo]);
        assert_eq!(zones(later.instants(utc("2026-04-30T23:00:00Z"), utc("2026-05-01T00:00:00Z"))), [Tz::UTC]);
        assert_eq!(zones(later.instants(utc("2026-05-01T00:00:00Z"), utc("2026-05-02T00:00:00Z"))), [Tz::Asia__Tokyo]);
    }

    /// A zone, and changes from days between 2012 and 2037: since 2012 no clock was put back over midnight.
    fn calendars() -> impl Strategy<Value = Calendar> {
        let zone = || prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec());
        // Some far apart, some on days next to each other.
        let days = prop_oneof![0_u64..9_000, 5_000_u64..5_010];
        (zone(), prop::collection::btree_map(days, zone(), 0..6)).prop_map(|(first, changes)| {
            let changes = changes.into_iter();
            changes.fold(Calendar::new(first), |calendar, (days, zone)| {
                calendar.then(day("2012-02-01") + Days::new(days), zone)
            })
        })
    }

    proptest! {
        #[test]
        fn every_instant_is_within_its_day(calendar in calendars(), seconds in 0_i64..800_000_000, near in 0_i64..200_000) {
            let around = calendar.stretches().iter().skip(1).map(|s| s.since + TimeDelta::seconds(near - 100_000));
            for at in around.chain([utc("2012-02-01T00:00:00Z") + TimeDelta::seconds(seconds)]) {
                let day = calendar.day_of(at);
                prop_assert!(calendar.start_of(day) <= at, "{at} {day}");
                prop_assert!(at < calendar.start_of(day + Days::new(1)), "{at} {day}");
            }
        }

        #[test]
        fn days_never_go_back(calendar in calendars(), seconds in 0_i64..800_000_000, step in 0_i64..400_000) {
            let at = utc("2012-02-01T00:00:00Z") + TimeDelta::seconds(seconds);
            let around = calendar.stretches().iter().skip(1).map(|s| s.since - TimeDelta::seconds(step / 2));
            for at in around.chain([at]) {
                prop_assert!(calendar.day_of(at) <= calendar.day_of(at + TimeDelta::seconds(step)));
            }
        }

        #[test]
        fn earlier_days_keep_their_length(calendar in calendars(), days in 0_u64..9_000, back in 0_u64..500) {
            let from = day("2012-02-01") + Days::new(days);
            let changed = calendar.clone().then(from, Tz::Pacific__Apia);
            let earlier = from - Days::new(back);
            prop_assert_eq!(calendar.start_of(earlier), changed.start_of(earlier));
        }
    }
}
