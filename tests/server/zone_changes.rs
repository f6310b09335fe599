//! Time zones that change from a day on: days before keep theirs, and the first day after is longer or shorter.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use meterbase::keys::Scope;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::harness::TestApp;
use crate::stored;
use crate::usage::{metric, post, thousandths, usage};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The billing day of an instant where another zone follows from a day on: the plain rule.
fn naive(at: DateTime<Utc>, before: Tz, from: NaiveDate, after: Tz) -> NaiveDate {
    let seam = before.from_local_datetime(&from.and_time(NaiveTime::MIN)).unwrap();
    if at < seam { at.with_timezone(&before).date_naive() } else { at.with_timezone(&after).date_naive().max(from) }
}

async fn change(app: &TestApp, key: &str, customer: &str, zone: &str, from: &str) -> Value {
    let body = json!({"time_zone": zone, "from": from});
    app.post(key, &format!("/v1/customers/{customer}/time-zone"), body).await.expect_status(200).json()
}

/// Customer, zones before and after 5 November, and by hand: start and end of that day, how many half hours are in it.
const CHANGES: [(&str, Tz, Tz, &str, &str, usize); 4] = [
    ("paris", Tz::Europe__Paris, Tz::America__New_York, "2026-11-05T00:00:00+01:00", "2026-11-06T00:00:00-05:00", 60),
    // From 18:15 UTC on the fourth to 23:00 UTC on the fifth.
    ("kathmandu", Tz::Asia__Kathmandu, Tz::Europe__Paris, "2026-11-05T00:00:00+05:45", "2026-11-06T00:00:00+01:00", 57),
    // Over the date line: 47 hours one way, one the other.
    ("apia", Tz::Pacific__Apia, Tz::Pacific__Honolulu, "2026-11-05T00:00:00+13:00", "2026-11-06T00:00:00-10:00", 94),
    ("honolulu", Tz::Pacific__Honolulu, Tz::Pacific__Apia, "2026-11-05T00:00:00-10:00", "2026-11-06T00:00:00+13:00", 2),
];

pub async fn days_follow_each_other_over_a_change(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    metric(&app, &key, "energy", "delta").await;
    let half_hours: Vec<_> = (0..480).map(|i| at("2026-10-31T00:00:00Z") + TimeDelta::minutes(30 * i)).collect();
    let units = |place: usize| (place as i64 * 7919) % 10_007 - 500;
    let reading = |customer: &str, place: usize| json!({"device": customer, "metric": "energy", "at": half_hours[place], "value": thousandths(units(place).into())});
    for (customer, before, ..) in CHANGES {
        let body = json!({"name": customer, "time_zone": before.name()});
        app.put(&key, &format!("/v1/customers/{customer}"), body).await.expect_status(201);
        app.put(&key, &format!("/v1/devices/{customer}"), json!({"customer": customer})).await.expect_status(201);
        post(&app, &key, (0..480).filter(|place| place % 3 > 0).map(|place| reading(customer, place)).collect()).await;
    }
    app.settle().await;
    for (customer, before, after, ..) in CHANGES {
        let moved =
            |at: &DateTime<Utc>| naive(*at, before, day("2026-11-05"), after) != at.with_timezone(&before).date_naive();
        let expected = (0..480).filter(|place| place % 3 > 0 && moved(&half_hours[*place])).count();
        assert_eq!(change(&app, &key, customer, after.name(), "2026-11-05").await["restamped"], expected, "{customer}");
        // Late, on both sides of the change.
        post(&app, &key, (0..480).filter(|place| place % 3 == 0).map(|place| reading(customer, place)).collect()).await;
    }
    app.settle().await;
    let query = "metric=energy&bucket=day&from=2026-10-01&to=2026-12-01";
    let by_customer = usage(&app, &key, &format!("{query}&by=customer")).await;
    let mut total = std::collections::BTreeMap::<NaiveDate, i64>::new();
    for (customer, before, after, start, end, number) in CHANGES {
        let mut days = std::collections::BTreeMap::<NaiveDate, (i64, usize)>::new();
        for (place, at) in half_hours.iter().enumerate() {
            let day = naive(*at, before, day("2026-11-05"), after);
            let figures = days.entry(day).or_default();
            *figures = (figures.0 + units(place), figures.1 + 1);
            *total.entry(day).or_default() += units(place);
        }
        assert_eq!(days[&day("2026-11-05")].1, number);
        let expected: Vec<_> = days.iter().map(|(day, f)| json!([day, thousandths(f.0.into()), f.1])).collect();
        let own = usage(&app, &key, &format!("{query}&scope=customer:{customer}")).await;
        let split = by_customer["series"].as_array().unwrap().iter().find(|s| s["customer"] == customer).unwrap();
        for series in [&own["series"][0], split] {
            let points = series["points"].as_array().unwrap();
            let found: Vec<_> = points.iter().map(|p| json!([p["period"], p["sum"], p["count"]])).collect();
            assert_eq!(found, expected, "{customer}");
            let first = points.iter().position(|p| p["period"] == "2026-11-05").unwrap();
            assert_eq!((&points[first]["start"], &points[first]["end"]), (&json!(start), &json!(end)));
            for pair in points.windows(2) {
                assert_eq!(pair[0]["end"], pair[1]["start"], "{customer}");
            }
            assert_eq!(series["time_zone"], Value::Null);
        }
        let zone_over = async |from: &str, to: &str| {
            let query = format!("metric=energy&scope=customer:{customer}&bucket=total&from={from}&to={to}");
            usage(&app, &key, &query).await["time_zone"].clone()
        };
        assert_eq!(zone_over("2026-11-01", "2026-11-05").await, before.name());
        assert_eq!(zone_over("2026-11-05", "2026-11-09").await, after.name());
        assert_eq!(zone_over("2026-11-04", "2026-11-06").await, Value::Null);
        // Raw readings from a day on begin where the day does.
        let raw = app.get(&key, &format!("/v1/devices/{customer}/readings?from=2026-11-05&limit=1")).await.json();
        let seam: DateTime<Utc> = start.parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc();
        let first = half_hours.iter().find(|at| **at >= seam).unwrap();
        assert_eq!(raw["items"][0]["at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap(), *first);
    }
    let whole = usage(&app, &key, query).await;
    let points = whole["series"][0]["points"].as_array().unwrap();
    let found: Vec<_> = points.iter().map(|p| json!([p["period"], p["sum"]])).collect();
    let expected: Vec<_> = total.iter().map(|(day, sum)| json!([day, thousandths((*sum).into())])).collect();
    assert_eq!(found, expected);
    assert_eq!(points[0]["start"], Value::Null, "the provider mixes calendars");
}

/// Every six hours of twelve days around the changes.
fn instants() -> Vec<DateTime<Utc>> {
    (0..48).map(|i| at("2026-10-30T02:30:00Z") + TimeDelta::hours(6 * i)).collect()
}

async fn days(db: &mut PgConnection, device: &str) -> Vec<NaiveDate> {
    stored::stamps(db, device).await.into_iter().map(|stamp| stamp.billing_day).collect()
}

/// Provider in Kathmandu; `top` above `follows`, `tokyo` (its own zone), `later` (its own from 9 November on) and, below
/// `follows`, `deep`; each has a device of its name with readings.
async fn family(app: &TestApp) -> String {
    let key = app.provider("north", "Asia/Kathmandu").await;
    metric(app, &key, "energy", "delta").await;
    let mut db = app.db().await;
    for (customer, parent, zone) in [
        ("top", None, None),
        ("follows", Some("top"), None),
        ("tokyo", Some("top"), Some("Asia/Tokyo")),
        ("later", Some("top"), None),
        ("deep", Some("follows"), None),
    ] {
        let body = json!({"name": customer, "parent": parent, "time_zone": zone});
        app.put(&key, &format!("/v1/customers/{customer}"), body).await.expect_status(201);
        app.put(&key, &format!("/v1/devices/{customer}"), json!({"customer": customer})).await.expect_status(201);
    }
    change(app, &key, "later", "Pacific/Apia", "2026-11-09").await;
    for customer in ["top", "follows", "tokyo", "later", "deep"] {
        stored::store(&mut db, customer, "energy", &instants()).await;
    }
    key
}

async fn audited(db: &mut PgConnection) -> Vec<(String, Value, Value)> {
    let audit = "SELECT entity, before, after FROM audit WHERE action = 'customer.time_zone' ORDER BY audit_id";
    sqlx::query_as(audit).fetch_all(db).await.unwrap()
}

pub async fn those_who_inherit_follow_a_change(app: TestApp) {
    let key = family(&app).await;
    let mut db = app.db().await;
    // One has left, one is retired: their readings are still those of `follows`.
    for (device, change) in [("left", "top"), ("retired", "")] {
        app.put(&key, &format!("/v1/devices/{device}"), json!({"customer": "follows"})).await.expect_status(201);
        stored::store(&mut db, device, "energy", &instants()).await;
        match change {
            "" => app.delete(&key, &format!("/v1/devices/{device}")).await.expect_status(204),
            customer => {
                app.put(&key, &format!("/v1/devices/{device}"), json!({"customer": customer})).await.expect_status(200)
            }
        };
    }
    let (kathmandu, paris, apia) = (Tz::Asia__Kathmandu, Tz::Europe__Paris, Tz::Pacific__Apia);
    let plain = |zone: Tz| instants().iter().map(|at| at.with_timezone(&zone).date_naive()).collect::<Vec<_>>();
    let changed = |from: &str| instants().iter().map(|at| naive(*at, kathmandu, day(from), paris)).collect::<Vec<_>>();
    let later = |above: Tz, from: &str, to: &str| {
        let start = paris.from_local_datetime(&day(to).and_time(NaiveTime::MIN)).unwrap();
        let of = |at: &DateTime<Utc>| {
            if *at < start { naive(*at, above, day(from), paris) } else { naive(*at, paris, day(to), apia) }
        };
        instants().iter().map(of).collect::<Vec<_>>()
    };
    let before: Vec<_> = plain(kathmandu);
    let answer = change(&app, &key, "top", "Europe/Paris", "2026-11-04").await;
    let own = json!([{"from": "2026-11-04", "time_zone": "Europe/Paris"}]);
    let calendar = json!([
        {"from": null, "start": null, "time_zone": "Asia/Kathmandu"},
        {"from": "2026-11-04", "start": "2026-11-03T18:15:00Z", "time_zone": "Europe/Paris"},
    ]);
    assert_eq!((&answer["customer"], &answer["own"], &answer["calendar"]), (&json!("top"), &own, &calendar));
    for device in ["top", "follows", "deep", "left", "retired"] {
        assert_eq!(days(&mut db, device).await, changed("2026-11-04"), "{device}");
    }
    assert_eq!(days(&mut db, "tokyo").await, plain(Tz::Asia__Tokyo));
    assert_eq!(days(&mut db, "later").await, later(kathmandu, "2026-11-04", "2026-11-09"));
    let moved = before.iter().zip(changed("2026-11-04")).filter(|(before, after)| *before != after).count();
    assert!(answer["restamped"].as_u64().unwrap() > 5 * moved as u64, "five devices, and some of the later ones");
    let shown = app.get(&key, "/v1/customers/deep/time-zone").await.expect_status(200).json();
    assert_eq!(shown, json!({"customer": "deep", "own": [], "calendar": calendar}));

    // The same again changes nothing.
    let again = change(&app, &key, "top", "Europe/Paris", "2026-11-04").await;
    assert_eq!((&again["restamped"], &again["calendar"]), (&json!(0), &calendar));
    let audit = audited(&mut db).await;
    assert_eq!(audit.len(), 2, "later's and this one");
    assert_eq!((audit[1].0.as_str(), &audit[1].1["own"], &audit[1].2["own"]), ("top", &json!([]), &own));

    // An earlier day takes the place of it; a later one is added, and taken back.
    change(&app, &key, "top", "Europe/Paris", "2026-11-02").await;
    assert_eq!(days(&mut db, "deep").await, changed("2026-11-02"));
    change(&app, &key, "top", "Pacific/Apia", "2026-11-07").await;
    assert_ne!(days(&mut db, "deep").await, changed("2026-11-02"));
    change(&app, &key, "top", "Europe/Paris", "2026-11-07").await;
    for device in ["top", "follows", "deep", "left", "retired"] {
        assert_eq!(days(&mut db, device).await, changed("2026-11-02"), "{device}");
    }
    assert_eq!(days(&mut db, "later").await, later(kathmandu, "2026-11-02", "2026-11-09"));
    change(&app, &key, "top", "Asia/Kathmandu", "1970-01-01").await;
    assert_eq!(days(&mut db, "deep").await, before);
    app.settle().await;
    crate::rollups::naive::check(&mut db, "after all changes").await;
}

pub async fn a_move_takes_the_days_of_the_new_owner_s_calendar(app: TestApp) {
    let key = family(&app).await;
    let mut db = app.db().await;
    change(&app, &key, "follows", "Pacific/Honolulu", "2026-11-06").await;
    let body = json!({"customer": "follows", "at": "2026-11-03T00:00:00Z"});
    app.post(&key, "/v1/devices/tokyo/moves", body).await.expect_status(200);
    let expected: Vec<_> = instants()
        .into_iter()
        .map(|ts| match ts < at("2026-11-03T00:00:00Z") {
            true => ts.with_timezone(&Tz::Asia__Tokyo).date_naive(),
            false => naive(ts, Tz::Asia__Kathmandu, day("2026-11-06"), Tz::Pacific__Honolulu),
        })
        .collect();
    assert_eq!(days(&mut db, "tokyo").await, expected);
    // And back, from within the long day on.
    let body = json!({"customer": "tokyo", "at": "2026-11-06T20:00:00Z"});
    app.post(&key, "/v1/devices/tokyo/moves", body).await.expect_status(200);
    let expected: Vec<_> = instants()
        .into_iter()
        .zip(expected)
        .map(
            |(ts, day)| {
                if ts < at("2026-11-06T20:00:00Z") { day } else { ts.with_timezone(&Tz::Asia__Tokyo).date_naive() }
            },
        )
        .collect();
    assert_eq!(days(&mut db, "tokyo").await, expected);
}

pub async fn put_and_the_history_of_time_zones_agree(app: TestApp) {
    let key = family(&app).await;
    let put = async |body: Value, status: u16| {
        app.put(&key, "/v1/customers/follows", body).await.expect_status(status).json()
    };
    let shown = async || app.get(&key, "/v1/customers/follows/time-zone").await.expect_status(200).json();
    let today = Utc::now().date_naive();
    let (past, to_come) = ((today - Days::new(9)).to_string(), (today + Days::new(9)).to_string());

    // What is to come is not shown yet, and PUT leaves it alone.
    change(&app, &key, "follows", "Europe/Paris", &to_come).await;
    let kept = shown().await;
    let customer = put(json!({"name": "Follows", "parent": "top"}), 200).await;
    assert_eq!((&customer["time_zone"], &customer["billing_time_zone"]), (&Value::Null, &json!("Asia/Kathmandu")));
    assert_eq!(shown().await, kept);
    // What holds today is shown, and PUT with it changes nothing.
    change(&app, &key, "follows", "Asia/Tokyo", &past).await;
    let kept = shown().await;
    let customer = app.get(&key, "/v1/customers/follows").await.json();
    assert_eq!((&customer["time_zone"], &customer["billing_time_zone"]), (&json!("Asia/Tokyo"), &json!("Asia/Tokyo")));
    let again = put(json!({"name": "Follows", "parent": "top", "time_zone": "Asia/Tokyo"}), 200).await;
    assert_eq!((again, shown().await), (customer, kept));
    let list = app.get(&key, "/v1/customers?parent=follows").await.json();
    assert_eq!(list["items"][0]["billing_time_zone"], "Asia/Tokyo", "deep inherits it");
    let tree = app.get(&key, "/v1/customers/follows/tree").await.json();
    assert_eq!(tree["customers"][0]["billing_time_zone"], "Asia/Tokyo");

    // Another one would replace the days of readings; so would leaving it out, or another parent's calendar.
    for body in [
        json!({"name": "Follows", "parent": "top", "time_zone": "Europe/Paris"}),
        json!({"name": "Follows", "parent": "top"}),
        json!({"name": "Follows", "parent": "tokyo", "time_zone": "Asia/Tokyo"}),
    ] {
        let problem = put(body.clone(), 409).await;
        assert_eq!(problem["type"], "/problems/time_zone_in_use", "{body}");
        assert!(problem["detail"].as_str().unwrap().contains("/time-zone"), "{problem}");
    }
    // Without readings it replaces all that was said before.
    app.put(&key, "/v1/customers/empty", json!({"name": "Empty"})).await.expect_status(201);
    change(&app, &key, "empty", "Asia/Tokyo", "2026-01-01").await;
    app.put(&key, "/v1/customers/empty", json!({"name": "Empty", "time_zone": "Europe/Paris"}))
        .await
        .expect_status(200);
    let shown = app.get(&key, "/v1/customers/empty/time-zone").await.json();
    assert_eq!(shown["own"], json!([{"from": null, "time_zone": "Europe/Paris"}]));
    assert_eq!(shown["calendar"], json!([{"from": null, "start": null, "time_zone": "Europe/Paris"}]));
    app.delete(&key, "/v1/customers/empty").await.expect_status(204);
}

pub async fn a_change_of_time_zone_that_cannot_be_is_refused(app: TestApp) {
    let key = family(&app).await;
    let cases = [
        (json!({"time_zone": "Mars/Base", "from": "2026-11-01"}), "/time_zone"),
        (json!({"time_zone": "Europe/Paris", "from": "2026-11-01T00:00:00Z"}), "/from"),
        (json!({"time_zone": "Europe/Paris", "from": "2026-02-30"}), "/from"),
        (json!({"time_zone": "Europe/Paris", "from": "1969-12-31"}), "/from"),
        (json!({"time_zone": "Europe/Paris"}), "/from"),
        (json!({"from": "2026-11-01"}), "/time_zone"),
        (json!({"time_zone": "Europe/Paris", "from": "2026-11-01", "to": "2026-12-01"}), "/to"),
    ];
    for (body, pointer) in cases {
        let answer = app.post(&key, "/v1/customers/top/time-zone", body.clone()).await.expect_status(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}: {}", answer.text);
    }
    let body = json!({"time_zone": "Europe/Paris", "from": "2026-11-01"});
    app.post(&key, "/v1/customers/nobody/time-zone", body.clone()).await.expect_status(404);
    let other = app.provider("south", "UTC").await;
    app.post(&other, "/v1/customers/top/time-zone", body.clone()).await.expect_status(404);
    app.get(&other, "/v1/customers/top/time-zone").await.expect_status(404);
    for scope in [Scope::Read, Scope::Ingest] {
        let limited = app.key("north", scope).await;
        app.post(&limited, "/v1/customers/top/time-zone", body.clone()).await.expect_status(403);
    }
    let shown = app.get(&key, "/v1/customers/top/time-zone").await.expect_status(200).json();
    assert_eq!(shown["own"], json!([]));
}
