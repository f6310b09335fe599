//! What `fresh_through` promises: every reading recorded before it is in the figures.

use std::sync::mpsc;

use chrono::{DateTime, Utc};
use meterbase::database::Edition;
use meterbase::rollup;
use meterbase::verify::difference::{Check, Difference};
use meterbase::verify::{self, Ask, Listener};
use sqlx::{Connection, PgConnection};

use super::{fleet, insert};
use crate::harness::TestApp;

const FROM: &str = "2026-01-05T00:00:00Z";
const TO: &str = "2026-01-06T00:00:00Z";

/// Takes a horizon, then a snapshot as an answer does; what is promised, and the readings that the figures hold.
async fn answer(db: &mut PgConnection) -> (DateTime<Utc>, i64) {
    let horizon = rollup::horizon(db, Edition::Apache).await.expect("a horizon").0;
    let mut snapshot = db.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.expect("a snapshot");
    let fresh = rollup::fresh_through(&mut snapshot, horizon).await.expect("a freshness");
    let held: i64 = sqlx::query_scalar("SELECT coalesce(sum(count), 0)::bigint FROM provider_daily")
        .fetch_one(&mut *snapshot)
        .await
        .expect("figures");
    (fresh, held)
}

/// The instant the last reading was recorded, and how many were.
async fn recorded(db: &mut PgConnection) -> (DateTime<Utc>, i64) {
    sqlx::query_as("SELECT max(recorded_at), count(*) FROM reading").fetch_one(db).await.expect("readings")
}

pub async fn what_is_not_committed_is_not_promised(app: TestApp) {
    let mut db = fleet(&app).await;
    let (from, to) = (FROM.parse().unwrap(), TO.parse().unwrap());
    insert(&mut db, 50, from, to).await;
    app.settle().await;
    let (last, count) = recorded(&mut db).await;
    let (fresh, held) = answer(&mut db).await;
    assert!(fresh > last && held == count, "{fresh} {last} {held} {count}");

    // A transaction as ingest makes it: it has its number before it records anything.
    let mut writer = app.db().await;
    let mut open = writer.begin().await.expect("a transaction");
    sqlx::query("SELECT pg_current_xact_id()::text").execute(&mut *open).await.expect("its number");
    insert(&mut open, 50, from, to).await;
    let (uncommitted, _) = recorded(&mut open).await;
    let (fresh, held) = answer(&mut db).await;
    assert!(fresh <= uncommitted && held == count, "promised {fresh}, though {uncommitted} is not in the figures");

    // Committed but not followed: pending, so still not promised.
    let (_, all) = recorded(&mut open).await;
    open.commit().await.expect("a commit");
    let (fresh, _) = answer(&mut db).await;
    assert!(fresh <= uncommitted);
    app.settle().await;
    let (fresh, held) = answer(&mut db).await;
    assert!(fresh > uncommitted && held == all, "{fresh} {uncommitted} {held} {all}");
}

/// Stops a comparison at its second day, when it has written down what the first one should be.
struct Stop {
    there: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
}

impl Listener for Stop {
    fn difference(&mut self, difference: &Difference) {
        panic!("{difference}");
    }

    fn begins(&mut self, _: DateTime<Utc>, done: usize, _: usize) {
        if done == 1 {
            self.there.send(()).expect("somebody who waits");
            self.go_on.recv().expect("a word");
        }
    }
}

pub async fn who_compares_figures_with_readings_holds_up_no_promise(app: TestApp) {
    let mut db = fleet(&app).await;
    insert(&mut db, 50, FROM.parse().unwrap(), "2026-01-08T00:00:00Z".parse().unwrap()).await;
    app.settle().await;
    let ((there, is_there), (go, go_on)) = (mpsc::channel(), mpsc::channel());
    let mut other = app.db().await;
    let comparing = tokio::task::spawn_blocking(move || {
        let mut stop = Stop { there, go_on };
        let ask = Ask { only: Some(Check::Rollups), ..Ask::default() };
        tokio::runtime::Handle::current().block_on(verify::run(&mut other, &ask, &mut stop))
    });
    tokio::task::spawn_blocking(move || is_there.recv()).await.expect("the task").expect("a comparison");
    let now: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut db).await.expect("a time");
    let (fresh, _) = answer(&mut db).await;
    assert!(fresh >= now, "promised {fresh} at {now}");
    go.send(()).expect("a comparison that goes on");
    assert!(comparing.await.expect("the task").expect("a comparison").compared > 0);
}

pub async fn a_promise_holds_while_others_write_and_refresh(app: TestApp) {
    let mut db = fleet(&app).await;
    let (from, to) = (FROM.parse().unwrap(), TO.parse().unwrap());
    let writer = async {
        let mut db = app.db().await;
        for _ in 0..30 {
            let mut transaction = db.begin().await.expect("a transaction");
            sqlx::query("SELECT pg_current_xact_id()::text").execute(&mut *transaction).await.expect("its number");
            let now = "UPDATE reading SET recorded_at = statement_timestamp() WHERE recorded_at = now()";
            insert(&mut transaction, 5, from, to).await;
            sqlx::query(now).execute(&mut *transaction).await.expect("a time");
            transaction.commit().await.expect("a commit");
        }
    };
    let refresher = async {
        for _ in 0..15 {
            app.settle().await;
        }
    };
    let mut promises = Vec::new();
    let reader = async {
        for _ in 0..40 {
            promises.push(answer(&mut db).await);
        }
    };
    futures::join!(writer, refresher, reader);
    for (fresh, held) in promises {
        let before: i64 = sqlx::query_scalar("SELECT count(*) FROM reading WHERE recorded_at < $1")
            .bind(fresh)
            .fetch_one(&mut db)
            .await
            .expect("readings");
        assert!(held >= before, "{before} readings were recorded before {fresh}, the figures had {held}");
    }
}
