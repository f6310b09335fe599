//! What decides a register's increments besides its readings, from the database.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::core::reading::register::{Register, Replacement, Rule};

#[derive(sqlx::FromRow)]
struct RuleRow {
    channel_id: i32,
    rollover_at: Option<i64>,
    max_per_hour: Option<i64>,
    until: Option<DateTime<Utc>>,
    earlier_rollover_at: Option<i64>,
    earlier_max_per_hour: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct ReplacementRow {
    channel_id: i32,
    at: DateTime<Utc>,
    final_value: i64,
    initial_value: i64,
}

/// These channels' rules and replacements.
pub async fn of(db: &mut PgConnection, channels: &[i32]) -> sqlx::Result<HashMap<i32, Register>> {
    let rules: Vec<RuleRow> =
        sqlx::query_as(include_str!("../../../sql/registers/rules.sql")).bind(channels).fetch_all(&mut *db).await?;
    let mut registers: HashMap<i32, Register> = HashMap::new();
    for row in rules {
        let rule = Rule { rollover_at: row.rollover_at, max_per_hour: row.max_per_hour };
        let register = registers.entry(row.channel_id).or_insert_with(|| Register::new(rule));
        let earlier = Rule { rollover_at: row.earlier_rollover_at, max_per_hour: row.earlier_max_per_hour };
        register.earlier_rules.extend(row.until.map(|until| (until, earlier)));
    }
    let replacements: Vec<ReplacementRow> =
        sqlx::query_as(include_str!("../../../sql/registers/replacements.sql")).bind(channels).fetch_all(db).await?;
    for row in replacements {
        let register = registers.get_mut(&row.channel_id).ok_or(sqlx::Error::RowNotFound)?;
        register.replacements.push(Replacement { at: row.at, last: row.final_value, first: row.initial_value });
    }
    Ok(registers)
}
