//! What `fresh_through` promises: every reading recorded before it is in the figures.

use chrono::{DateTime, Utc};
use meterbase::database::Edition;
use meterbase::rollup;
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
