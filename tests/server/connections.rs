//! Connections to the database that are used by one after another.

use std::time::Duration;

use futures::FutureExt;
use meterbase::database::{self, SNAPSHOT};
use sqlx::PgPool;

use crate::binary::Patience;
use crate::harness::TestApp;

/// Begins a transaction on the one connection, and goes away after so many steps towards that. True where it had begun.
async fn give_up(pool: &PgPool, begin: &'static str, steps: u32) -> bool {
    let mut beginning = Box::pin(pool.begin_with(begin));
    for _ in 0..steps {
        if beginning.as_mut().now_or_never().is_some() {
            return true;
        }
        // The other side gets the time to answer.
        tokio::time::timeout(Duration::from_millis(2), std::future::pending::<()>()).await.unwrap_err();
    }
    false
}

pub async fn who_goes_away_while_a_transaction_begins_leaves_none(app: TestApp) {
    let mut db = app.db().await;
    sqlx::query("CREATE TABLE written (step bigint)").execute(&mut db).await.expect("a table");
    let pool = database::pool(&app.options, "test", 1, Duration::from_secs(10));
    let mut written = 0;
    for begin in ["BEGIN", SNAPSHOT] {
        let mut steps = 0;
        let mut has_begun = false;
        while !has_begun {
            steps += 1;
            assert!(steps < 1_000, "it never begins");
            has_begun = give_up(&pool, begin, steps).await;
            // What the next one writes is there for all at once.
            sqlx::query("INSERT INTO written VALUES ($1)").bind(written).execute(&pool).await.expect("a row");
            written += 1;
            let count: i64 =
                sqlx::query_scalar("SELECT count(*) FROM written").fetch_one(&mut db).await.expect("a count");
            assert_eq!(count, written, "{begin}, {steps} steps");
        }
    }
    let mut patience = Patience::for_("the end of all transactions");
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
    while sqlx::query_scalar::<_, i64>(open).fetch_one(&mut db).await.expect("a count") > 0 {
        patience.poll().await;
    }
}
