//! Readings are added to what their hour holds, and none is read for that.

use meterbase::database::Edition;
use meterbase::rollup;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{fleet, naive, run};
use crate::harness::TestApp;

/// Readings of all channels from `$1` seconds into an hour on, `$2` of them, ten seconds apart.
const LIVE: &str = "
    INSERT INTO reading (ts, value, increment, event_key, channel_id, customer_id, group_id, billing_day)
    SELECT h.hour + n * interval '10 seconds' + $1 * interval '1 second', (n * 31 + channel_id) % 97 - 40, n, n, channel_id,
           1 + channel_id % 5, 0, '2026-03-10'
    FROM (SELECT timestamptz '2026-03-10T10:00:00Z' AS hour) AS h, generate_series(0, $2 - 1) AS n, channel";

async fn live(db: &mut PgConnection, from: i32, count: i32) {
    sqlx::query(LIVE).bind(from).bind(count).execute(db).await.expect("live readings");
}

/// Rows of readings that were ever read.
async fn readings_read(db: &mut PgConnection) -> i64 {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(&mut *db).await.expect("a flush");
    let read = "SELECT coalesce(sum(t.seq_tup_read + i.idx_tup_read), 0)::bigint
        FROM pg_stat_user_tables t
        JOIN (SELECT relid, sum(idx_tup_read) AS idx_tup_read FROM pg_stat_user_indexes GROUP BY relid) AS i USING (relid)
        WHERE t.relid IN (SELECT show_chunks('reading'))";
    sqlx::query_scalar(read).fetch_one(db).await.expect("statistics")
}

pub async fn readings_are_added_without_being_read(app: TestApp) {
    let mut db = fleet(&app).await;
    live(&mut db, 0, 300).await;
    app.settle().await;
    naive::check(&mut db, "after the first five sixths of an hour").await;
    // Behind all others, and between them.
    for second in [3000, 3020, 3040, 5, 1255, 2777] {
        live(&mut db, second, 2).await;
        let before = readings_read(&mut db).await;
        rollup::refresh(&mut db, app.edition).await.expect("a refresh");
        let read = readings_read(&mut db).await - before;
        assert!(read == 0, "{read} readings were read");
        naive::check(&mut db, "after further readings").await;
    }
}

pub async fn readings_of_many_devices_are_added_without_being_read(app: TestApp) {
    let mut db = fleet(&app).await;
    let many = "
        WITH device AS (
            INSERT INTO device (uuid, provider_id, key)
            SELECT gen_random_uuid(), 1, 'one-of-many-' || n FROM generate_series(1, 1500) AS n
            RETURNING provider_id, device_id)
        INSERT INTO channel (provider_id, device_id, metric_id)
        SELECT provider_id, device_id, metric_id FROM device JOIN metric USING (provider_id)";
    run(&mut db, many).await;
    for second in [0, 3000, 5] {
        live(&mut db, second, 2).await;
        let before = readings_read(&mut db).await;
        rollup::refresh(&mut db, app.edition).await.expect("a refresh");
        let read = readings_read(&mut db).await - before;
        assert_eq!(read, 0, "readings were read");
        naive::check(&mut db, &format!("with those of second {second} on")).await;
    }
}

pub async fn what_comes_in_beside_live_readings_is_followed_too(app: TestApp) {
    let mut db = fleet(&app).await;
    live(&mut db, 0, 100).await;
    app.settle().await;
    let hour = "timestamptz '2026-03-10T10:00:00Z'";
    let changes = [
        // At the instant of the last one, before it, and behind it, each alone and then together.
        format!(
            "INSERT INTO reading SELECT ts, recorded_at, 7, 7, event_key + 1000, channel_id, customer_id, group_id, billing_day FROM reading WHERE ts = {hour} + interval '990 seconds'"
        ),
        format!(
            "INSERT INTO reading SELECT ts + interval '1 second', recorded_at, 8, 8, event_key, channel_id, customer_id, group_id, billing_day FROM reading WHERE ts = {hour}"
        ),
        format!(
            "INSERT INTO reading SELECT ts + interval '20 seconds', recorded_at, -9, 9, event_key, channel_id, customer_id, group_id, billing_day FROM reading WHERE ts = {hour} + interval '990 seconds' AND event_key < 1000"
        ),
        format!("UPDATE reading SET value = value + 100 WHERE ts = {hour} + interval '500 seconds'"),
        // The last one of a channel goes, becomes earlier, becomes later, changes its owner.
        format!("DELETE FROM reading WHERE ts = {hour} + interval '1010 seconds' AND channel_id % 4 = 0"),
        format!(
            "UPDATE reading SET ts = ts - interval '3 seconds' WHERE ts = {hour} + interval '1010 seconds' AND channel_id % 4 = 1"
        ),
        format!(
            "UPDATE reading SET ts = ts + interval '3 seconds' WHERE ts = {hour} + interval '1010 seconds' AND channel_id % 4 = 2"
        ),
        format!(
            "UPDATE reading SET customer_id = customer_id % 5 + 1 WHERE ts = {hour} + interval '1010 seconds' AND channel_id % 4 = 3"
        ),
        format!("DELETE FROM reading WHERE ts >= {hour} AND ts < {hour} + interval '1 hour' AND channel_id = 9"),
        // Some are new, and some take the place of others.
        format!(
            "INSERT INTO reading SELECT ts + n * interval '5 seconds', recorded_at, 77 + n, 7, event_key, channel_id, customer_id, group_id, billing_day FROM reading, generate_series(0, 1) AS n WHERE ts = {hour} + interval '500 seconds' ON CONFLICT (channel_id, ts, event_key) DO UPDATE SET value = excluded.value, customer_id = reading.customer_id % 5 + 1"
        ),
    ];
    let mut later = 1030;
    for together in [false, true] {
        for change in &changes {
            run_any(&mut db, change).await;
            if together {
                live(&mut db, later, 2).await;
                later += 20;
            }
            app.settle().await;
            naive::check(&mut db, change).await;
        }
        run(&mut db, "DELETE FROM reading").await;
        live(&mut db, 0, 100).await;
        app.settle().await;
    }
}

async fn run_any(db: &mut PgConnection, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await.expect(sql);
    assert!(done.rows_affected() > 0, "changed nothing: {sql}");
}

pub async fn readings_that_commit_late_are_not_passed_over(app: TestApp) {
    let mut db = fleet(&app).await;
    live(&mut db, 0, 10).await;
    app.settle().await;
    let (mut one, mut other) = (app.db().await, app.db().await);
    let mut earlier = one.begin().await.expect("a transaction");
    live(&mut earlier, 100, 2).await;
    let mut latest = other.begin().await.expect("a transaction");
    live(&mut latest, 300, 2).await;
    live(&mut db, 200, 2).await;
    app.settle().await;
    naive::check(&mut db, "with those in between").await;
    earlier.commit().await.expect("a commit");
    app.settle().await;
    naive::check(&mut db, "with those from before them").await;
    latest.commit().await.expect("a commit");
    app.settle().await;
    naive::check(&mut db, "with those from behind them").await;
}

pub async fn a_refresher_that_is_killed_while_it_adds_counts_nothing_twice(app: TestApp) {
    let mut db = fleet(&app).await;
    live(&mut db, 0, 10).await;
    app.settle().await;
    let mut killed = 0;
    for attempt in 0..16 {
        live(&mut db, 100 + 20 * attempt, 2).await;
        let mut victim = app.db().await;
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut victim).await.expect("a pid");
        let edition = app.edition;
        let refresh = tokio::spawn(async move { rollup::refresh(&mut victim, edition).await });
        // Each time at another step: when it has begun that many statements.
        let (mut seen, mut statements) = (String::new(), 0);
        while statements <= attempt && !refresh.is_finished() {
            let now = "SELECT coalesce((SELECT md5(query) FROM pg_stat_activity WHERE pid = $1), '')";
            let now: String = sqlx::query_scalar(now).bind(pid).fetch_one(&mut db).await.expect("its activity");
            if now != seen {
                (seen, statements) = (now, statements + 1);
            }
        }
        sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut db).await.expect("a kill");
        killed += u32::from(refresh.await.expect("the task").is_err());
    }
    assert!(killed > 0, "no refresh was hit");
    app.settle().await;
    naive::check(&mut db, "after refreshers were killed").await;
}

pub async fn readings_of_subtransactions_and_restored_ones_are_added_once(app: TestApp) {
    let mut db = fleet(&app).await;
    live(&mut db, 0, 10).await;
    app.settle().await;
    let mut transaction = db.begin().await.expect("a transaction");
    live(&mut transaction, 100, 2).await;
    let mut inner = transaction.begin().await.expect("a savepoint");
    live(&mut inner, 200, 2).await;
    inner.commit().await.expect("a release");
    let mut undone = transaction.begin().await.expect("a savepoint");
    live(&mut undone, 250, 2).await;
    undone.rollback().await.expect("a rollback");
    transaction.commit().await.expect("a commit");
    app.settle().await;
    naive::check(&mut db, "after subtransactions").await;
    // What restores a database gives readings another transaction.
    live(&mut db, 300, 2).await;
    run_any(&mut db, "UPDATE reading_change SET changed_by = '17'").await;
    app.settle().await;
    naive::check(&mut db, "after a restored database").await;
}

/// Of how many channels and owners the log says what readings that came in add up to.
async fn additions(db: &mut PgConnection) -> i64 {
    let log =
        "SELECT coalesce(sum(cardinality(channels)), 0)::bigint FROM reading_change WHERE billing_day IS NOT NULL";
    sqlx::query_scalar(log).fetch_one(db).await.expect("the log")
}

/// Stores readings with one statement: channel, customer, second of an hour, value. Each customer has another billing day.
async fn store(db: &mut PgConnection, readings: &[(i32, i32, i32, i64)]) {
    let insert = "
        INSERT INTO reading (ts, value, increment, event_key, channel_id, customer_id, billing_day)
        SELECT timestamptz '2026-03-10T10:00:00Z' + second * interval '1 second', value, value,
               place + (SELECT coalesce(max(event_key), 0) FROM reading), channel, customer, date '2026-03-09' + customer % 3
        FROM unnest($1::integer[], $2::integer[], $3::integer[], $4::bigint[])
            WITH ORDINALITY AS r (channel, customer, second, value, place)";
    let insert = sqlx::query(insert)
        .bind(readings.iter().map(|reading| reading.0).collect::<Vec<_>>())
        .bind(readings.iter().map(|reading| reading.1).collect::<Vec<_>>())
        .bind(readings.iter().map(|reading| reading.2).collect::<Vec<_>>())
        .bind(readings.iter().map(|reading| reading.3).collect::<Vec<_>>());
    insert.execute(db).await.expect("readings");
}

pub async fn sums_that_no_bigint_holds_are_right(app: TestApp) {
    const LARGE: i64 = 9_000_000_000_000_000_000;
    let mut db = fleet(&app).await;
    store(
        &mut db,
        &[(1, 1, 0, LARGE), (1, 1, 10, LARGE), (2, 1, 0, 5), (2, 1, 10, 6), (3, 1, 0, -LARGE), (3, 1, 1, -LARGE)],
    )
    .await;
    assert_eq!(additions(&mut db).await, 1, "of the second channel");
    app.settle().await;
    naive::check(&mut db, "in one statement").await;
    for value in [LARGE, i64::MAX, LARGE] {
        store(&mut db, &[(1, 1, 20, value), (4, 1, 0, i64::MIN)]).await;
    }
    assert_eq!(additions(&mut db).await, 6);
    app.settle().await;
    naive::check(&mut db, "in several statements").await;
}

pub async fn owners_and_days_of_a_channel_in_an_hour_are_kept_apart(app: TestApp) {
    let mut db = fleet(&app).await;
    for second in [0, 1800, 900] {
        let its = [(1, 1, 0, 5), (1, 2, 10, 7), (1, 1, 20, -3), (1, 3, 30, 8), (1, 4, 40, 9), (2, 4, 0, 1)];
        store(&mut db, &its.map(|(channel, customer, at, value)| (channel, customer, at + second, value))).await;
        assert_eq!(additions(&mut db).await, 5);
        app.settle().await;
        naive::check(&mut db, &format!("from second {second} on")).await;
    }
}

pub async fn of_added_readings_at_one_instant_the_lowest_is_first_and_the_highest_last(app: TestApp) {
    let mut db = fleet(&app).await;
    let values = [20, 5, 40, 30, 10];
    store(&mut db, &values.map(|value| (1, 1, 100, value))).await;
    for value in values {
        store(&mut db, &[(2, 1, 100, value)]).await;
    }
    for value in values {
        store(&mut db, &[(3, 1, 100, value)]).await;
        app.settle().await;
    }
    naive::check(&mut db, "after all").await;
    let found: Vec<(i64, i64)> =
        sqlx::query_as("SELECT first_value, last_value FROM channel_hourly ORDER BY channel_id")
            .fetch_all(&mut db)
            .await
            .expect("the figures");
    assert_eq!(found, [(5, 40); 3]);
}

pub async fn what_came_in_and_went_before_it_was_followed_leaves_no_figures(app: TestApp) {
    let mut db = fleet(&app).await;
    store(&mut db, &[(1, 1, 0, 5), (2, 1, 0, 6), (3, 2, 0, 7)]).await;
    app.settle().await;
    let changes = [
        // Of a channel some that were there and some that came, of one only what came, of one all, and one moves on.
        "DELETE FROM reading WHERE channel_id = 1 AND value IN (5, 11)",
        "DELETE FROM reading WHERE channel_id = 4",
        "DELETE FROM reading WHERE channel_id = 2",
        "UPDATE reading SET ts = ts + interval '1 hour' WHERE channel_id = 3 AND value = 13",
    ];
    for (round, change) in changes.iter().enumerate() {
        let second = 100 * (1 + round as i32);
        let came = [(1, 1, second, 11), (2, 1, second, 12), (3, 2, second, 13), (4, 1, second, 14), (1, 2, second, 15)];
        store(&mut db, &came[..3]).await;
        store(&mut db, &came[3..]).await;
        run_any(&mut db, change).await;
        app.settle().await;
        naive::check(&mut db, change).await;
    }
    // The other way round, and all in one transaction.
    let mut transaction = db.begin().await.expect("a transaction");
    run_any(&mut transaction, "DELETE FROM reading WHERE channel_id IN (1, 3)").await;
    store(&mut transaction, &[(1, 1, 700, 1), (3, 3, 700, 2), (5, 1, 700, 3)]).await;
    run_any(&mut transaction, "DELETE FROM reading WHERE channel_id = 5").await;
    transaction.commit().await.expect("a commit");
    app.settle().await;
    naive::check(&mut db, "after a transaction").await;
    run_any(&mut db, "DELETE FROM reading").await;
    store(&mut db, &[(1, 1, 0, 5)]).await;
    app.settle().await;
    assert!(naive::check(&mut db, "after all went and one came").await > 0);
}

pub async fn what_a_rebuild_has_counted_already_is_not_added_again(app: TestApp) {
    let mut db = fleet(&app).await;
    live(&mut db, 0, 10).await;
    app.settle().await;
    live(&mut db, 100, 10).await;
    let (from, to) = ("2026-03-10T00:00:00Z".parse().unwrap(), "2026-03-13T00:00:00Z".parse().unwrap());
    let mut rebuild = rollup::rebuild::Rebuild::begin(&mut db, from, to).await.expect("a rebuild");
    assert!(additions(&mut db).await > 0);
    assert!(rebuild.part(&mut db, app.edition).await.expect("a part"));
    // On the Community edition the refresher learns of it when it comes next.
    assert!(app.edition == Edition::Community || additions(&mut db).await == 0);
    app.settle().await;
    naive::check(&mut db, "after a part of a rebuild").await;
    live(&mut db, 200, 10).await;
    app.settle().await;
    naive::check(&mut db, "after further readings").await;
}

/// What a server does with live readings: they go into their chunk, past the triggers, and the log is told.
pub async fn copied_and_inserted_readings_of_a_transaction_are_all_followed(app: TestApp) {
    let mut db = fleet(&app).await;
    live(&mut db, 0, 3).await;
    app.settle().await;
    let chunk: String = sqlx::query_scalar(
        "SELECT format('%I.%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks
         WHERE hypertable_name = 'reading' AND range_start <= '2026-03-10T10:00:00Z' ORDER BY range_start DESC LIMIT 1",
    )
    .fetch_one(&mut db)
    .await
    .expect("a chunk");
    let copied = format!(
        "BEGIN;
         INSERT INTO {chunk} (ts, value, increment, channel_id, customer_id, billing_day)
         SELECT timestamptz '2026-03-10T10:00:00Z' + interval '20 minutes', 5, 5, channel_id, 1, '2026-03-10'
         FROM channel WHERE channel_id <= 10;
         SELECT readings_copied('{chunk}', ARRAY[timestamptz '2026-03-10T10:00:00Z'], '{{10}}', '{{1,2,3,4,5,6,7,8,9,10}}',
                                '{{2026-03-10}}', ones, zeros, fives, fives, ats, NULL, NULL, NULL, NULL, NULL, NULL)
         FROM (SELECT array_agg(1) AS ones, array_agg(0) AS zeros, array_agg(5::bigint) AS fives,
                      array_agg(timestamptz '2026-03-10T10:20:00Z') AS ats FROM generate_series(1, 10)) AS arrays;
         INSERT INTO reading (ts, value, increment, channel_id, customer_id, billing_day)
         SELECT timestamptz '2026-03-10T10:00:00Z' + interval '10 minutes', 6, 6, channel_id, 1, '2026-03-10'
         FROM channel WHERE channel_id > 5;
         COMMIT"
    );
    sqlx::raw_sql(AssertSqlSafe(copied)).execute(&mut db).await.expect("a transaction");
    app.settle().await;
    naive::check(&mut db, "after both").await;
}
