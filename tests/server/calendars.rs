//! Billing calendars: PostgreSQL and Meterbase reckon the same days.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use meterbase::core::calendar::Calendar;
use meterbase::core::period::day_start;
use meterbase::fleet::random::Random;
use sqlx::PgConnection;

use crate::harness::TestApp;

/// Zones a day apart and next to each other, with clocks that change by an hour, half of one, or a whole day.
const ZONES: [Tz; 12] = [
    Tz::UTC,
    Tz::Europe__Paris,
    Tz::America__New_York,
    Tz::Asia__Kathmandu,
    Tz::Australia__Lord_Howe,
    Tz::America__St_Johns,
    Tz::Pacific__Apia,
    Tz::Pacific__Honolulu,
    Tz::Pacific__Kiritimati,
    Tz::Etc__GMTPlus12,
    Tz::America__Havana,
    Tz::America__Sao_Paulo,
];

/// Days on which clocks change in one of the zones, and an ordinary one.
const DAYS: [&str; 9] = [
    "2011-12-30",
    "2018-11-04",
    "2026-03-08",
    "2026-03-29",
    "2026-04-05",
    "2026-07-01",
    "2026-10-04",
    "2026-11-01",
    "2026-10-25",
];

pub async fn a_day_starts_at_the_same_instant_in_sql(app: TestApp) {
    let mut db = app.db().await;
    let (mut days, mut zones, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for zone in ZONES {
        for day in (0..20_000).map(|day| NaiveDate::default() + Days::new(day)) {
            days.push(day);
            zones.push(zone.name());
            starts.push(day_start(day, zone));
        }
    }
    let differences: Vec<String> = sqlx::query_scalar(
        "SELECT format('%s %s: %s, not %s', zone, day, day_start(day, zone) AT TIME ZONE 'UTC', start AT TIME ZONE 'UTC')
         FROM unnest($1::date[], $2::text[], $3::timestamptz[]) AS expected (day, zone, start)
         WHERE day_start(day, zone) <> start",
    )
    .bind(days)
    .bind(zones)
    .bind(starts)
    .fetch_all(&mut db)
    .await
    .unwrap();
    assert_eq!(differences, Vec::<String>::new());
}

/// A customer's calendar as PostgreSQL tells it: first day and start of each stretch, none for no start.
type Stretches = Vec<(Option<NaiveDate>, Option<DateTime<Utc>>, String)>;

pub async fn calendars_of_any_history_are_the_same_in_sql(app: TestApp) {
    app.provider("north", "America/Havana").await;
    let mut db = app.db().await;
    let mut random = Random::of(&[3, 6]);
    let mut customers: Vec<(i32, Calendar)> = Vec::new();
    for number in 0..300 {
        let parent = customers.get(random.below(2 * number) as usize).cloned();
        let own = random.chance(300).then(|| any(&mut random, &ZONES));
        let id = make(&mut db, number, parent.as_ref().map(|(id, _)| *id), own).await;
        let above = parent.map_or(Calendar::new(Tz::America__Havana), |(_, calendar)| calendar);
        let mut calendar = own.map_or(above, Calendar::new);
        let mut changes: Vec<NaiveDate> = (0..random.below(4)).map(|_| change_day(&mut random)).collect();
        changes.sort();
        changes.dedup();
        for day in changes {
            let zone = any(&mut random, &ZONES);
            let change = "INSERT INTO customer_time_zone (customer_id, from_day, time_zone) VALUES ($1, $2, $3)";
            sqlx::query(change).bind(id).bind(day).bind(zone.name()).execute(&mut db).await.unwrap();
            calendar = calendar.then(day, zone);
        }
        customers.push((id, calendar));
    }
    assert!(customers.iter().any(|(_, calendar)| calendar.stretches().len() > 4));
    for (id, calendar) in &customers {
        assert_eq!(stretches(&mut db, *id).await, expected(calendar), "customer {id}");
        compare_days(&mut db, *id, calendar).await;
    }
    // All at once, each as alone.
    let ids: Vec<i32> = customers.iter().map(|(id, _)| *id).collect();
    let together: i64 = sqlx::query_scalar("SELECT count(*) FROM customer_calendars($1)")
        .bind(ids.iter().chain(&ids).copied().collect::<Vec<_>>())
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(together as usize, customers.iter().map(|(_, calendar)| calendar.stretches().len()).sum::<usize>());
}

fn any<T: Copy>(random: &mut Random, of: &[T]) -> T {
    of[random.below(of.len() as u64) as usize]
}

/// Mostly close to each other, so that changes meet.
fn change_day(random: &mut Random) -> NaiveDate {
    let day: NaiveDate = any(random, &DAYS).parse().unwrap();
    day + Days::new(random.below(4))
}

async fn make(db: &mut PgConnection, number: u64, parent: Option<i32>, zone: Option<Tz>) -> i32 {
    sqlx::query_scalar(
        "INSERT INTO customer (uuid, provider_id, key, name, parent_id, time_zone)
         SELECT gen_random_uuid(), provider_id, 'c' || $1::bigint, 'c', $2, $3 FROM provider RETURNING customer_id",
    )
    .bind(number as i64)
    .bind(parent)
    .bind(zone.map(|zone| zone.name()))
    .fetch_one(db)
    .await
    .unwrap()
}

async fn stretches(db: &mut PgConnection, customer: i32) -> Stretches {
    let stretches = "SELECT nullif(first_day, '-infinity'), nullif(since, '-infinity'), time_zone
        FROM customer_calendars(ARRAY[$1::integer]) ORDER BY first_day";
    sqlx::query_as(stretches).bind(customer).fetch_all(db).await.unwrap()
}

fn expected(calendar: &Calendar) -> Stretches {
    let stretch = |(place, s): (usize, &meterbase::core::calendar::Stretch)| {
        let begins = place > 0;
        (begins.then_some(s.first_day), begins.then_some(s.since), s.zone.name().to_owned())
    };
    calendar.stretches().iter().enumerate().map(stretch).collect()
}

/// Instants around each seam and around the days on which clocks change: the same billing day, from exactly one stretch.
async fn compare_days(db: &mut PgConnection, customer: i32, calendar: &Calendar) {
    let seams = calendar.stretches().iter().skip(1).map(|s| s.since);
    let days = DAYS.iter().map(|day| day.parse::<NaiveDate>().unwrap().and_hms_opt(12, 0, 0).unwrap().and_utc());
    let step = |at: DateTime<Utc>| (-60..60).map(move |half| at + TimeDelta::minutes(half * 30));
    let instants: Vec<_> =
        seams.chain(days).flat_map(step).flat_map(|at| [at, at - TimeDelta::microseconds(1)]).collect();
    let expected: Vec<NaiveDate> = instants.iter().map(|at| calendar.day_of(*at)).collect();
    let wrong: i64 = sqlx::query_scalar(
        "WITH calendar AS MATERIALIZED (SELECT * FROM customer_calendars(ARRAY[$1::integer]))
         SELECT count(*) FROM unnest($2::timestamptz[], $3::date[]) AS e (ts, day)
         WHERE ARRAY(SELECT greatest(k.first_day, billing_day(e.ts, k.time_zone))
                     FROM calendar AS k
                     WHERE k.since <= e.ts AND e.ts < k.until) <> ARRAY[e.day]",
    )
    .bind(customer)
    .bind(&instants)
    .bind(expected)
    .fetch_one(db)
    .await
    .unwrap();
    assert_eq!(wrong, 0, "customer {customer}");
}
