//! What readings carry: whose they are, on which day they are billed, and what they add.

use chrono::{DateTime, Days, Utc};
use sqlx::PgConnection;

use super::difference::Check;
use super::registers;
use super::run::Run;

/// Compares stamps and increments of the readings of a UTC day; its registers are noted, for [`registers::compare`].
pub async fn day(db: &mut PgConnection, run: &mut Run<'_>, day: DateTime<Utc>) -> sqlx::Result<()> {
    let next = day + Days::new(1);
    let count: i64 =
        sqlx::query_scalar("SELECT coalesce(sum(count), 0)::bigint FROM verify_hour").fetch_one(&mut *db).await?;
    if run.ask.checks(Check::Stamps) {
        run.compared(count.unsigned_abs());
        let columns = ["channel", "customer", "group", "billing_day"];
        run.report(db, Check::Stamps, &columns, include_str!("../../sql/verify/stamps.sql").to_owned(), day, next)
            .await?;
    }
    if run.ask.checks(Check::Increments) {
        run.compared(count.unsigned_abs());
        let sql = include_str!("../../sql/verify/increments.sql").to_owned();
        run.report(db, Check::Increments, &["increment"], sql, day, next).await?;
        registers::note(db).await?;
    }
    Ok(())
}
