//! Analysts' SQL: a schema of views that shows each role the rows of its provider, and the roles.
//!
//! - [`usage`]: the views of figures, made for each edition
//! - `spans`: what lets a predicate on days leave chunks out
//! - `about`: what views and columns mean
//! - [`roles`]: who may read them
//! - `password`: a password, and what PostgreSQL keeps of it
//!
//! A view belongs to Meterbase's role, which may read the tables; an analyst may read the views alone. Each view is a
//! security barrier and names the providers of `current_user`, so no predicate of an analyst sees another provider's row,
//! unless PostgreSQL knows that it cannot tell of it (leakproof): comparisons of texts, dates, instants and integers.

mod about;
mod password;
pub mod roles;
mod spans;
pub mod usage;

use chrono::{Datelike, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::rollup;

pub use about::VIEWS;
pub use password::Password;

/// A stored value is a whole number of these: the expression for a row that has the `scale` of its metric.
fn unit(scale: &str) -> String {
    let units: Vec<_> =
        (0..=9).map(|scale| if scale == 0 { "1".to_owned() } else { format!("0.{:0>scale$}", 1) }).collect();
    format!("('{{{}}}'::numeric[])[{scale} + 1]", units.join(","))
}

/// Makes the views, or leaves them alone when they are there as they should be. A release may add columns at the end of
/// a view, and views; PostgreSQL refuses anything else.
pub async fn apply(db: &mut PgConnection) -> sqlx::Result<()> {
    let statements = statements();
    let fingerprint = rollup::fingerprint(&statements);
    let views: Vec<_> = VIEWS.iter().map(|(view, _)| *view).collect();
    let there: bool = sqlx::query_scalar(include_str!("../../sql/analytics/there.sql"))
        .bind(&fingerprint)
        .bind(views)
        .fetch_one(&mut *db)
        .await?;
    let mut transaction = db.begin().await?;
    if !there {
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
        }
        sqlx::query(include_str!("../../sql/analytics/made.sql")).bind(fingerprint).execute(&mut *transaction).await?;
    }
    // An update of TimescaleDB may have opened again what was closed.
    roles::grant_all(&mut transaction).await?;
    transaction.commit().await
}

fn statements() -> Vec<String> {
    let plain = [
        include_str!("../../sql/analytics/functions.sql"),
        include_str!("../../sql/analytics/hierarchy.sql"),
        include_str!("../../sql/analytics/readings.sql"),
    ];
    let plain = plain.map(|sql| sql.replace("{anchor}", usage::ANCHOR).replace("{unit}", &unit("m.scale")));
    let usage = usage::views(Utc::now().year());
    plain.into_iter().chain(usage).chain([about::comments()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_exact() {
        assert!(unit("m.scale").starts_with("('{1,0.1,0.01,0.001,"));
        assert!(unit("m.scale").ends_with(",0.000000001}'::numeric[])[m.scale + 1]"));
    }
}
