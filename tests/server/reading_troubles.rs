//! Posting while the database is in trouble: all of a request or nothing, and the sender knows which.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use crate::binary::Patience;
use crate::fixtures::{north, send, send_json, verdicts};
use crate::harness::TestApp;

fn readings() -> Value {
    let reading = |hour: usize| json!({"device": "m1", "metric": "energy", "at": format!("2026-03-01T{hour:02}:00:00Z"), "value": hour});
    json!((0..3).map(reading).collect::<Vec<_>>())
}

/// Waits until a connection of the ingest pool waits for a lock.
async fn wait_for_waiting_ingest(db: &mut PgConnection) -> i32 {
    let waiting = "SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'meterbase ingest' AND wait_event_type = 'Lock'";
    let mut patience = Patience::for_("a waiting connection");
    loop {
        if let Some(pid) = sqlx::query_scalar(waiting).fetch_optional(&mut *db).await.unwrap() {
            return pid;
        }
        patience.poll().await;
    }
}

pub async fn a_lost_connection_stores_nothing_and_is_told(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    let provider: i32 = sqlx::query_scalar("SELECT provider_id FROM provider").fetch_one(&mut db).await.unwrap();
    // While the registry changes who owns what, readings wait, in the middle of their transaction.
    let mut change = db.begin().await.unwrap();
    meterbase::registry::lock_stamping(&mut change, provider).await.unwrap();
    let post = async { send(&app, &key, "application/json", readings().to_string()).await };
    let end = async {
        let mut other = app.db().await;
        let pid = wait_for_waiting_ingest(&mut other).await;
        sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut other).await.unwrap();
    };
    let (answer, ()) = tokio::join!(post, end);
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.problem(), "unavailable");
    assert!(answer.headers.contains_key("retry-after"));
    change.commit().await.unwrap();
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM reading").fetch_one(&mut db).await.unwrap();
    assert_eq!(stored, 0);
    assert_eq!(verdicts(&send_json(&app, &key, &readings()).await), ["stored"; 3]);
}

pub async fn a_batch_that_the_database_gives_up_is_tried_again(app: TestApp) {
    let key = north(&app).await;
    send_json(&app, &key, &json!([{"device": "m1", "metric": "energy", "at": "2026-02-01T00:00:00Z", "value": 0}]))
        .await;
    // Connections of the server find a deadlock after five seconds, this one would not.
    let name: String =
        sqlx::query_scalar("SELECT current_database()::text").fetch_one(&mut app.db().await).await.unwrap();
    let setting = format!("ALTER DATABASE {name} SET deadlock_timeout = '5s'");
    sqlx::query(AssertSqlSafe(setting)).execute(&mut app.db().await).await.unwrap();
    let drop_connections = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'meterbase ingest'";
    sqlx::query(drop_connections).execute(&mut app.db().await).await.unwrap();
    send(&app, &key, "application/json", "[]").await;

    let mut db = app.options.clone().options([("deadlock_timeout", "10min")]).connect().await.unwrap();
    let mut other = db.begin().await.unwrap();
    let store = "INSERT INTO reading (channel_id, ts, value, increment, customer_id, billing_day)
        SELECT channel_id, $1::timestamptz, $2, $2, customer_id, $1::timestamptz::date FROM channel, customer";
    let store = |hour: i64| {
        sqlx::query(store)
            .bind(format!("2026-03-01T{hour:02}:00:00Z").parse::<chrono::DateTime<chrono::Utc>>().unwrap())
            .bind(hour * 1000)
    };
    store(2).execute(&mut *other).await.unwrap();
    let post = async { send_json(&app, &key, &readings()).await };
    let cross = async {
        wait_for_waiting_ingest(&mut app.db().await).await;
        // The batch has stored this one already and waits for the other one: neither can go on.
        store(0).execute(&mut *other).await.unwrap();
        other.commit().await.unwrap();
    };
    let (answer, ()) = tokio::join!(post, cross);
    assert_eq!(verdicts(&answer), ["duplicate", "stored", "duplicate"]);
}

pub async fn requests_are_not_kept_waiting_for_who_sends_them(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    let mut locked = db.begin().await.unwrap();
    sqlx::query("LOCK TABLE api_key").execute(&mut *locked).await.unwrap();
    // Neither the first, nor those that come while that one waits.
    let answers =
        futures::future::join_all((0..3).map(|_| send(&app, &key, "application/json", "[]".to_owned()))).await;
    for answer in answers {
        assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"), "{}", answer.text);
        assert!(answer.headers.contains_key("retry-after"));
    }
    locked.commit().await.unwrap();
    assert_eq!(verdicts(&send_json(&app, &key, &readings()).await), ["stored"; 3]);
}
