//! Loading step by step: each is done once, so that what was broken off goes on.

use std::time::Instant;

use chrono::NaiveDate;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// A statement of the load, done once.
pub struct Step {
    pub name: String,
    /// The table that it fills.
    pub table: String,
    sql: String,
    pub numbers: Vec<i32>,
    days: Vec<NaiveDate>,
}

/// Makes the table that says what is done.
pub async fn begin(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(include_str!("../../../sql/bench/steps.sql")).execute(db).await.map(drop)
}

pub async fn is_done(db: &mut PgConnection, step: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM bench_step WHERE step = $1)").bind(step).fetch_one(db).await
}

pub async fn mark(db: &mut PgConnection, step: &str, rollup: &str, rows: u64, started: Instant) -> sqlx::Result<()> {
    let done = sqlx::query("INSERT INTO bench_step (step, rollup, rows, seconds) VALUES ($1, $2, $3, $4)")
        .bind(step)
        .bind(rollup)
        .bind(rows.cast_signed())
        .bind(started.elapsed().as_secs_f64());
    done.execute(db).await?;
    Ok(())
}

impl Step {
    pub fn new(name: String, table: &str, sql: &str) -> Self {
        Self { name, table: table.to_owned(), sql: sql.to_owned(), numbers: Vec::new(), days: Vec::new() }
    }

    pub fn numbers(self, numbers: impl Into<Vec<i32>>) -> Self {
        Self { numbers: numbers.into(), ..self }
    }

    pub fn days(self, days: impl Into<Vec<NaiveDate>>) -> Self {
        Self { days: days.into(), ..self }
    }

    /// Runs it unless it was run before, and keeps that in the same transaction.
    pub async fn run(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        if is_done(db, &self.name).await? {
            return Ok(());
        }
        let started = Instant::now();
        let mut transaction = db.begin().await?;
        let mut statement = sqlx::query(AssertSqlSafe(self.sql.clone())).persistent(false);
        for day in &self.days {
            statement = statement.bind(day);
        }
        for number in &self.numbers {
            statement = statement.bind(number);
        }
        let rows = statement.execute(&mut *transaction).await?.rows_affected();
        mark(&mut transaction, &self.name, &self.table, rows, started).await?;
        transaction.commit().await
    }
}

/// As autovacuum leaves it: statistics for the planner, and which pages an index is enough for.
pub async fn vacuum(db: &mut PgConnection, step: &str) -> sqlx::Result<()> {
    if !is_done(db, step).await? {
        let started = Instant::now();
        sqlx::raw_sql("VACUUM (ANALYZE)").execute(&mut *db).await?;
        mark(db, step, "vacuum and statistics", 0, started).await?;
    }
    Ok(())
}
