//! Registers: increments do not depend on the order in which readings come.

use meterbase::keys::Scope;
use serde_json::json;
use sqlx::PgConnection;

use crate::fixtures::{Metric, counts, device, metric, north, send_csv, verdicts};
use crate::harness::TestApp;
use crate::naive_registers as naive;

/// A meter's life as (hour, event id, value): it runs, jumps, stands still, rolls over at 1,000.00, is replaced.
const LIFE: [(u32, &str, &str); 16] = [
    (0, "", "990.00"),
    (1, "", "992.50"),
    (2, "", "992.50"),
    (3, "", "999.99"),
    (4, "", "2.00"),
    (5, "a", "3.00"),
    (5, "b", "3.00"),
    (5, "", "3.00"),
    (6, "", "80.00"),
    (30, "", "81.00"),
    (31, "", "1200.00"),
    (32, "", "7.00"),
    (60, "", "9.25"),
    (600, "", "15.00"),
    (601, "", "14.99"),
    (602, "", "15.01"),
];

fn row(device: usize, (hour, id, value): (u32, &str, &str)) -> String {
    format!("r{device},total,2026-03-{:02}T{:02}:00:00Z,{value},{id}\n", hour / 24 + 1, hour % 24)
}

/// A pseudo-random order: Fisher and Yates' shuffle by a linear congruential generator.
pub fn shuffled<T: Copy>(items: &[T], seed: usize) -> Vec<T> {
    let (mut items, mut state) = (items.to_vec(), seed as u64);
    for last in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, (state >> 33) as usize % (last + 1));
    }
    items
}

async fn register(db: &mut PgConnection) {
    let total =
        Metric { kind: "register", scale: 2, rollover_at: Some(100_000), max_per_hour: Some(5_000), strict: false };
    metric(db, "north", "total", total).await;
}

pub async fn any_order_of_posting_gives_the_same_increments(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    register(&mut db).await;
    const ORDERS: usize = 24;
    for order in 0..ORDERS {
        device(&mut db, "north", &format!("r{order}"), &[("acme", "(,)")]).await;
        let readings = if order == 0 { LIFE.to_vec() } else { shuffled(&LIFE, order) };
        // All at once, one by one, and in parts of other sizes; each part with a repetition and a conflict.
        for part in readings.chunks([16, 1, 2, 3, 5, 7][order % 6]) {
            let rows: String = part.iter().map(|reading| row(order, *reading)).collect();
            let (hour, id, _) = readings[0];
            let other = row(order, (hour, id, "123.45"));
            let csv = format!("device,metric,at,value,id\n{rows}{}{other}", row(order, readings[0]));
            let answer = send_csv(&app, &key, &csv).await;
            assert_eq!(counts(&answer)[3..], [1, 0, 0], "{answer}");
        }
    }
    naive::check(&mut db).await;
    let sums: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT DISTINCT count(*), sum(increment)::bigint, sum(increment * extract(epoch FROM ts)::bigint)::bigint
         FROM reading GROUP BY channel_id",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    // By hand: 2.50 + 7.49 + 2.01 + 1.00, not 77.00 in an hour, 1.00 from there on, not 1119.00, nothing back from
    // 1200.00, 2.25, 5.75, and from 15.00 to 15.01 past a slip.
    assert_eq!(sums.len(), 1, "{sums:?}");
    assert_eq!((sums[0].0, sums[0].1), (16, 2201));
    let reviews: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "SELECT state, kind, value, count(*) FROM review WHERE suspect GROUP BY state, kind, value ORDER BY value",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    let all = |state: &str, kind: &str, value| (state.to_owned(), kind.to_owned(), value, ORDERS as i64);
    let expected = [
        all("open", "decrease", 700),
        all("withdrawn", "decrease", 1499),
        all("open", "jump", 8000),
        all("open", "jump", 120_000),
    ];
    assert_eq!(reviews, expected);
}

pub async fn registers_posted_from_several_connections_agree(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    register(&mut db).await;
    for order in 0..4 {
        device(&mut db, "north", &format!("r{order}"), &[("acme", "(,)")]).await;
    }
    let posts = (0..8).map(|connection| {
        let (app, key) = (&app, &key);
        async move {
            for part in shuffled(&LIFE, connection).chunks(2) {
                let rows = shuffled(&[0, 1, 2, 3], connection).into_iter();
                let rows: String =
                    rows.flat_map(|device| part.iter().map(move |reading| row(device, *reading))).collect();
                send_csv(app, key, &format!("device,metric,at,value,id\n{rows}")).await;
            }
        }
    });
    futures::future::join_all(posts).await;
    naive::check(&mut db).await;
    let sums: Vec<i64> = sqlx::query_scalar("SELECT sum(increment)::bigint FROM reading GROUP BY channel_id")
        .fetch_all(&mut db)
        .await
        .unwrap();
    assert_eq!(sums, [2201; 4]);
}

pub async fn the_largest_registers_do_not_overflow(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    metric(&mut db, "north", "total", Metric { kind: "register", ..Metric::default() }).await;
    let largest = (1_i64 << 62) - 1;
    let values = [-largest, largest, -largest - 1, largest + 1, i64::MAX];
    let rows = values.iter().enumerate().map(|(hour, value)| format!("m1,total,2026-03-01T{hour:02}:00:00Z,{value}\n"));
    let answer = send_csv(&app, &key, &format!("device,metric,at,value\n{}", rows.collect::<String>())).await;
    let refused = "rejected out_of_range";
    assert_eq!(verdicts(&answer), ["stored", "stored", refused, refused, refused]);
    let increments: Vec<i64> =
        sqlx::query_scalar("SELECT increment FROM reading ORDER BY ts").fetch_all(&mut db).await.unwrap();
    assert_eq!(increments, [0, 2 * largest]);
}

pub async fn the_reading_before_is_found_however_long_ago(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    metric(&mut db, "north", "total", Metric { kind: "register", ..Metric::default() }).await;
    let years = [1971, 1990, 2004, 2020, 2023, 2026];
    for order in 0..6 {
        let name = format!("r{order}");
        device(&mut db, "north", &name, &[("acme", "(,)")]).await;
        for year in shuffled(&years, order) {
            let csv = format!("device,metric,at,value\n{name},total,{year}-01-01T00:00:00Z,{year}\n");
            assert_eq!(verdicts(&send_csv(&app, &key, &csv).await), ["stored"]);
        }
    }
    let increments: Vec<i64> =
        sqlx::query_scalar("SELECT increment FROM reading ORDER BY ts, channel_id").fetch_all(&mut db).await.unwrap();
    let expected: Vec<i64> = [0, 19, 14, 16, 3, 3].into_iter().flat_map(|years| [years; 6]).collect();
    assert_eq!(increments, expected);
}

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// A reading that may be of an honest meter, a reset one, or a slip; in the first case near `level`.
    fn value(&mut self, level: usize) -> usize {
        match self.below(8) {
            0 => 0,
            1 => self.below(100_000),
            2 => 100_000 - 1 - self.below(300),
            3 => self.below(30),
            _ => (level + self.below(40)) % 100_000,
        }
    }
}

/// Readings, replacements and decisions in random order, several devices in one request; after each request all that is
/// stored must be what the naive rules make of all of it.
pub async fn whatever_happens_to_registers_their_increments_are_what_all_of_it_says(app: TestApp) {
    const DEVICES: usize = 6;
    let ingest = north(&app).await;
    let key = app.key("north", Scope::Provider).await;
    let mut db = app.db().await;
    register(&mut db).await;
    for name in 0..DEVICES {
        device(&mut db, "north", &format!("r{name}"), &[("acme", "(,)")]).await;
    }
    let mut numbers = Numbers(2026);
    let (mut suspicious, mut decided, mut replaced) = (0, 0, 0);
    for _ in 0..120 {
        let hour =
            |numbers: &mut Numbers| format!("2026-03-{:02}T{:02}:00:00Z", numbers.below(3) + 1, numbers.below(24));
        match numbers.below(6) {
            0 => {
                let name = numbers.below(DEVICES);
                let (last, first) = (numbers.value(40_000), numbers.value(60_000));
                let decimal = |units: usize| format!("{}.{:02}", units / 100, units % 100);
                let body = json!({"metric": "total", "at": hour(&mut numbers), "final": decimal(last), "initial": decimal(first)});
                let path = format!("/v1/devices/r{name}/replacements");
                replaced += usize::from(app.post(&key, &path, body).await.status == 201);
            }
            1 => {
                let state = ["all", "open", "open", "dismissed"][numbers.below(4)];
                let listed = format!("/v1/reviews?state={state}&limit=1000");
                let listed = app.get(&key, &listed).await.expect_status(200).json();
                let items = listed["items"].as_array().unwrap();
                let Some(item) = items.get(numbers.below(items.len().max(1))) else { continue };
                let verb = ["accept", "dismiss"][numbers.below(2)];
                let body =
                    if verb == "accept" && numbers.below(2) == 0 { json!({"increment": "-1.5"}) } else { json!({}) };
                let path = format!("/v1/reviews/{}/{verb}", item["id"].as_str().unwrap());
                decided += usize::from(app.post(&key, &path, body).await.status == 200);
            }
            _ => {
                let rows = (0..=numbers.below(8)).map(|_| {
                    let (name, at) = (numbers.below(DEVICES), hour(&mut numbers));
                    let level =
                        at[9..10].parse::<usize>().unwrap() * 10_000 + at[11..13].parse::<usize>().unwrap() * 40;
                    let (value, id) = (numbers.value(level), ["", "", "a"][numbers.below(3)]);
                    format!("r{name},total,{at},{}.{:02},{id}\n", value / 100, value % 100)
                });
                send_csv(&app, &ingest, &format!("device,metric,at,value,id\n{}", rows.collect::<String>())).await;
            }
        }
        suspicious = suspicious.max(naive::check(&mut db).await);
    }
    crate::verify::verify(&app, &["--only", "increments"]).expect_clean();
    assert!(suspicious > 50 && decided > 10 && replaced > 4, "{suspicious} {decided} {replaced}");
}
