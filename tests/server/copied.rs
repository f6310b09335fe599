//! Many live readings go straight into the chunk of their day: what comes of that is what comes of all readings.

use chrono::{DateTime, TimeDelta, Utc};
use meterbase::database::Edition;

use crate::fixtures::{Metric, counts, device, metric, north, send_csv};
use crate::harness::TestApp;
use crate::rollups::naive;

/// Readings of 500 devices at an instant, all of the value of its second; some are registers, for which neighbours are
/// looked up.
fn readings(at: DateTime<Utc>) -> String {
    let line =
        |n: i32| format!("m{},{},{},{}\n", n % 500, ["energy", "meter"][(n % 7 / 6) as usize], at.to_rfc3339(), 10);
    "device,metric,at,value\n".to_owned() + &(0..500).map(line).collect::<String>()
}

async fn fleet(app: &TestApp) -> String {
    let key = north(app).await;
    let mut db = app.db().await;
    metric(&mut db, "north", "meter", Metric { kind: "register", scale: 0, ..Metric::default() }).await;
    for n in (0..500).filter(|n| *n != 1) {
        device(&mut db, "north", &format!("m{n}"), &[("acme", "(,)")]).await;
    }
    key
}

async fn stored(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM reading").fetch_one(&mut app.db().await).await.expect("a number")
}

/// Of how many channels the log says what came in adds up to, and how many other rows it has.
async fn noted(app: &TestApp) -> (i64, i64) {
    let noted = "SELECT coalesce(sum(cardinality(channels)) FILTER (WHERE billing_day IS NOT NULL), 0)::bigint,
                        count(*) FILTER (WHERE billing_day IS NULL) FROM reading_change";
    sqlx::query_as(noted).fetch_one(&mut app.db().await).await.expect("the log")
}

/// Yesterday at ten, and some seconds: an hour whose chunk can be converted or dropped.
fn at(second: i64) -> DateTime<Utc> {
    let day = Utc::now().date_naive() - TimeDelta::days(1);
    day.and_hms_opt(10, 0, 0).expect("a time").and_utc() + TimeDelta::seconds(second)
}

pub async fn readings_go_into_their_chunk_and_the_figures_follow(app: TestApp) {
    let key = fleet(&app).await;
    let mut db = app.db().await;
    for second in [0, 10, 20, 30, 25] {
        let answer = send_csv(&app, &key, &readings(at(second))).await;
        assert_eq!(counts(&answer), [500, 500, 0, 0, 0, 0], "at second {second}");
        // Readings between others change increments.
        if second != 25 {
            assert_eq!(noted(&app).await, (500, 0));
        }
        app.settle().await;
        naive::check(&mut db, "after a batch").await;
    }
    for second in [30, 25, 0] {
        let again = send_csv(&app, &key, &readings(at(second))).await;
        assert_eq!(counts(&again), [500, 0, 500, 0, 0, 0], "at second {second}");
    }
    // Of two days, and of a day with few.
    let mut both = readings(at(3600));
    both += readings(at(86_400)).lines().skip(1).take(300).map(|line| format!("{line}\n")).collect::<String>().as_str();
    both += readings(at(-86_400)).lines().skip(1).take(3).map(|line| format!("{line}\n")).collect::<String>().as_str();
    for (stored, duplicates) in [(803, 0), (0, 803)] {
        let answer = send_csv(&app, &key, &both).await;
        assert_eq!(counts(&answer), [803, stored, duplicates, 0, 0, 0]);
    }
    assert_eq!(stored(&app).await, 5 * 500 + 803);
    app.settle().await;
    naive::check(&mut db, "after all").await;
}

pub async fn readings_that_another_server_stored_are_told_from_new_ones(app: TestApp) {
    let key = fleet(&app).await;
    let mut db = app.db().await;
    for second in [0, 10] {
        send_csv(&app, &key, &readings(at(second))).await;
    }
    // As another server would have: this one knows nothing of it.
    let other = "INSERT INTO reading (ts, value, increment, channel_id, customer_id, billing_day)
        SELECT ts + interval '10 seconds', value + 1, increment, channel_id, customer_id, billing_day
        FROM reading WHERE ts = $1 AND channel_id % 2 = 0";
    let other = sqlx::query(other).bind(at(10)).execute(&mut db).await.expect("readings").rows_affected();
    let answer = send_csv(&app, &key, &readings(at(20))).await;
    assert_eq!(counts(&answer), [500, 500 - other, 0, other, 0, 0]);
    app.settle().await;
    naive::check(&mut db, "after readings of two servers").await;
}

pub async fn readings_find_their_way_when_their_chunk_was_converted_or_dropped(app: TestApp) {
    let key = fleet(&app).await;
    let mut db = app.db().await;
    for second in [0, 10] {
        send_csv(&app, &key, &readings(at(second))).await;
    }
    if app.edition == Edition::Community {
        sqlx::query("SELECT compress_chunk(c) FROM show_chunks('reading') AS c")
            .execute(&mut db)
            .await
            .expect("a columnstore");
    }
    for (second, stored, duplicates) in [(20, 500, 0), (30, 500, 0), (10, 0, 500), (20, 0, 500)] {
        let answer = send_csv(&app, &key, &readings(at(second))).await;
        assert_eq!(counts(&answer), [500, stored, duplicates, 0, 0, 0], "at second {second}");
    }
    assert_eq!(stored(&app).await, 2000);
    app.settle().await;
    naive::check(&mut db, "in a converted chunk").await;
    // A day that nothing is kept of, and one later than it that is.
    send_csv(&app, &key, &readings(at(86_400))).await;
    let drop = "SELECT drop_chunks('reading', older_than => date_trunc('day', now(), 'UTC'))";
    sqlx::query(drop).execute(&mut db).await.expect("dropped chunks");
    app.settle().await;
    let answer = send_csv(&app, &key, &readings(at(40))).await;
    assert_eq!(counts(&answer), [500, 0, 0, 0, 0, 500], "{answer}");
    let answer = send_csv(&app, &key, &readings(at(86_410))).await;
    assert_eq!(counts(&answer), [500, 500, 0, 0, 0, 0]);
}

pub async fn nothing_is_copied_where_it_would_not_be_found(app: TestApp) {
    let key = fleet(&app).await;
    let mut db = app.db().await;
    send_csv(&app, &key, &readings(at(0))).await;
    let noted = "SELECT readings_copied(c::text, ARRAY[$1::timestamptz], '{1}', '{1}', '{2026-03-10}', '{1}', '{0}', '{5}', '{5}',
                               ARRAY[$1], NULL, NULL, NULL, NULL, NULL, NULL)
        FROM show_chunks('reading') AS c";
    sqlx::query(noted).bind(at(0)).execute(&mut db).await.expect("a plain chunk");
    if app.edition == Edition::Community {
        sqlx::query("SELECT compress_chunk(c) FROM show_chunks('reading') AS c")
            .execute(&mut db)
            .await
            .expect("a columnstore");
        let refused = sqlx::query(noted).bind(at(0)).execute(&mut db).await.expect_err("a refusal");
        assert_eq!(refused.as_database_error().and_then(|e| e.code()).as_deref(), Some("55000"));
    }
    sqlx::query("INSERT INTO kept_from (relation, since) VALUES ('reading', now())")
        .execute(&mut db)
        .await
        .expect("a retention");
    let refused = sqlx::query(noted).bind(at(0)).execute(&mut db).await.expect_err("a refusal");
    let refused = refused.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned());
    assert_eq!(refused.as_deref(), Some(if app.edition == Edition::Community { "55000" } else { "23514" }));
}
