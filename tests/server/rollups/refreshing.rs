//! Following changes: late, in bulk, at once, and broken off.

use meterbase::database::Edition;
use meterbase::rollup::{self, retention::Keep};
use sqlx::Connection;
use tokio_util::sync::CancellationToken;

use super::{fleet, insert, insert_everywhere, naive, run};
use crate::binary::Patience;
use crate::harness::TestApp;

pub async fn figures_follow_whatever_happens_to_readings(app: TestApp) {
    let mut db = fleet(&app).await;
    app.settle().await;
    assert_eq!(naive::check(&mut db, "without readings").await, 0);

    insert_everywhere(&mut db, 300).await;
    app.settle().await;
    naive::check(&mut db, "after the first refresh").await;

    for round in 1..=3 {
        insert_everywhere(&mut db, 60).await;
        run(&mut db, "UPDATE reading SET value = value / 2 - 7, increment = increment / 2 WHERE channel_id % 7 = 1 AND random() < 0.3").await;
        run(&mut db, "DELETE FROM reading WHERE channel_id % 5 = 2 AND random() < 0.2").await;
        app.settle().await;
        naive::check(&mut db, &format!("after changes of round {round}")).await;
    }

    // A move: readings change owner and billing day, and nothing else.
    run(
        &mut db,
        "UPDATE reading SET customer_id = 1, group_id = 0, billing_day = billing_day(ts, 'Pacific/Apia')
         WHERE channel_id IN (1, 2, 3) AND ts >= '2025-03-29T10:30:00Z'",
    )
    .await;
    app.settle().await;
    naive::check(&mut db, "after a move").await;

    run(&mut db, "UPDATE reading SET ts = date_trunc('day', ts, 'UTC') + 0.9 * (ts - date_trunc('day', ts, 'UTC')) WHERE channel_id = 4").await;
    run(&mut db, "DELETE FROM reading WHERE channel_id IN (5, 6)").await;
    app.settle().await;
    naive::check(&mut db, "after readings changed their time and channels vanished").await;

    run(&mut db, "DELETE FROM reading").await;
    app.settle().await;
    assert_eq!(naive::check(&mut db, "after all were deleted").await, 0);
}

/// All hours, whether or not something changed.
const HOURS: &str =
    "CALL refresh_continuous_aggregate('channel_hourly', '2025-01-01', now() + interval '1 day', force => true)";

pub async fn what_somebody_refreshed_is_not_added_again(app: TestApp) {
    let mut db = fleet(&app).await;
    insert_everywhere(&mut db, 100).await;
    refresh_all(&app).await;
    app.settle().await;
    naive::check(&mut db, "after a refresh of everything by hand").await;
    let merged = format!("SET timescaledb.enable_merge_on_cagg_refresh = on; {HOURS}");
    for refresh in [refresh_of_all(), HOURS.to_owned(), merged] {
        for _ in 0..2 {
            insert_everywhere(&mut db, 20).await;
            app.settle().await;
            // What the refresh sees of what is to be added, and what comes after it.
            insert_everywhere(&mut db, 20).await;
            by_hand(&app, &refresh).await;
            insert_everywhere(&mut db, 20).await;
            app.settle().await;
            naive::check(&mut db, &format!("after readings before and behind {refresh}")).await;
        }
    }
}

/// Refreshes all that changed of all continuous aggregates, as a person or a policy does; without effect where there are
/// none.
pub async fn refresh_all(app: &TestApp) {
    by_hand(app, &refresh_of_all()).await;
}

fn refresh_of_all() -> String {
    let names = rollup::definition::ROLLUPS.iter().map(|rollup| &rollup.name);
    let calls: Vec<_> = names.map(|name| format!("CALL refresh_continuous_aggregate('{name}', NULL, NULL)")).collect();
    calls.join("; ")
}

/// One statement after the other, for a refresh is not run in a transaction.
async fn by_hand(app: &TestApp, refresh: &str) {
    if app.edition == Edition::Community {
        let mut db = app.db().await;
        for statement in refresh.split(';') {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut db).await.expect("a refresh");
        }
    }
}

pub async fn copied_readings_are_followed_like_inserted_ones(app: TestApp) {
    let mut db = fleet(&app).await;
    let columns = "ts, value, increment, channel_id, customer_id, group_id, billing_day";
    let mut copy = db.copy_in_raw(&format!("COPY reading ({columns}) FROM STDIN (FORMAT csv)")).await.expect("a copy");
    let lines: String = (0..48 * 56)
        .map(|i| {
            let (day, hour, channel) = (1 + i / 48 % 28, i % 24, 1 + i % 48);
            format!(
                "2026-02-{day:02}T{hour:02}:{:02}:00Z,{i},{i},{channel},{},0,2026-02-{day:02}\n",
                i % 60,
                1 + channel % 10
            )
        })
        .collect();
    copy.send(lines.as_bytes()).await.expect("rows");
    copy.finish().await.expect("the end of the copy");
    app.settle().await;
    assert!(naive::check(&mut db, "after a copy").await > 0);
}

pub async fn refreshers_beside_each_other_and_writers_do_no_harm(app: TestApp) {
    let mut db = fleet(&app).await;
    insert_everywhere(&mut db, 50).await;
    let stop = CancellationToken::new();
    let every = std::time::Duration::from_millis(5);
    let background: Vec<_> = (0..2)
        .map(|_| tokio::spawn(rollup::run(app.options.clone(), app.edition, Keep::default(), every, stop.clone())))
        .collect();
    let writers = (0..2).map(|_| async {
        let mut db = app.db().await;
        for _ in 0..8 {
            insert_everywhere(&mut db, 10).await;
            run(&mut db, "DELETE FROM reading WHERE random() < 0.02").await;
        }
    });
    let settlers = (0..2).map(|_| async {
        for _ in 0..4 {
            app.settle().await;
        }
    });
    futures::join!(futures::future::join_all(writers), futures::future::join_all(settlers));
    stop.cancel();
    for task in background {
        task.await.expect("a refresher that ends");
    }
    app.settle().await;
    naive::check(&mut db, "after refreshers and writers side by side").await;
}

pub async fn a_refresher_that_is_killed_leaves_nothing_behind(app: TestApp) {
    let mut db = fleet(&app).await;
    let mut killed = 0;
    for attempt in 0..12_u64 {
        insert_everywhere(&mut db, 60).await;
        let mut victim = app.db().await;
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut victim).await.expect("a pid");
        let edition = app.edition;
        let refresh = tokio::spawn(async move { rollup::refresh(&mut victim, edition).await });
        // Each time at another step: when it has begun that many statements.
        let mut seen = String::new();
        let mut statements = 0;
        while statements <= attempt * 3 && !refresh.is_finished() {
            let now: Option<String> = sqlx::query_scalar("SELECT md5(query) FROM pg_stat_activity WHERE pid = $1")
                .bind(pid)
                .fetch_optional(&mut db)
                .await
                .expect("its activity");
            let now = now.unwrap_or_default();
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

pub async fn a_refresher_in_the_background_follows_and_hands_over(app: TestApp) {
    let mut db = fleet(&app).await;
    let every = std::time::Duration::from_millis(10);
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    let one = tokio::spawn(rollup::run(app.options.clone(), app.edition, Keep::default(), every, first.clone()));
    let other = tokio::spawn(rollup::run(app.options.clone(), app.edition, Keep::default(), every, second.clone()));
    insert_everywhere(&mut db, 20).await;
    nothing_is_pending(&app).await;
    naive::check(&mut db, "with two servers").await;
    first.cancel();
    one.await.expect("the first refresher");
    insert(&mut db, 20, "2025-06-01T00:00:00Z".parse().unwrap(), "2025-06-02T00:00:00Z".parse().unwrap()).await;
    nothing_is_pending(&app).await;
    naive::check(&mut db, "with the other server").await;
    second.cancel();
    other.await.expect("the second refresher");
    db.close().await.expect("a close");
}

async fn nothing_is_pending(app: &TestApp) {
    let mut db = app.db().await;
    let mut patience = Patience::for_("refreshed rollups");
    loop {
        let pending: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM reading_change)").fetch_one(&mut db).await.unwrap();
        if !pending {
            return;
        }
        patience.poll().await;
    }
}
