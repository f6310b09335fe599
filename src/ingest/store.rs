//! Stores a batch in one transaction and says what became of each reading.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::core::decimal::Scaled;
use crate::core::reading::field::quote;
use crate::core::reading::register::{Doubt, Suspicion};
use crate::core::reading::{Code, Item, RawReading, Reason};
use crate::http::problem::{self, Problem};
use crate::ingest::resolve::{Resolved, Row, resolve};
use crate::ingest::verdict::Verdict;
use crate::ingest::{channels, registers};
use crate::registry;

/// How often a batch is tried that the database undid because of another one.
const ATTEMPTS: u32 = 5;

/// Identity of a reading: channel, instant, event key.
pub type Identity = (i32, DateTime<Utc>, i64);

/// Stores what can be stored of a batch, all of it or nothing. The verdicts are in the order of the items.
pub async fn store(pool: &PgPool, provider_id: i32, items: &[Item]) -> problem::Result<Vec<Verdict>> {
    let mut attempt = 1;
    loop {
        match transaction(pool, provider_id, items).await {
            Ok(verdicts) => return Ok(verdicts),
            Err(error) if was_undone(&error) && attempt < ATTEMPTS => {
                tracing::info!(%error, attempt, "batch undone by the database; trying again");
                tokio::time::sleep(Duration::from_millis(10 << attempt)).await;
                attempt += 1;
            }
            Err(error) => return Err(Problem::from(error)),
        }
    }
}

/// Whether the database gave the batch up for another one: serialization_failure, deadlock_detected, a reading that was
/// there when this batch came and had gone when it looked, or retention that moved on meanwhile.
fn was_undone(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::RowNotFound => true,
        sqlx::Error::Database(db) => {
            db.constraint() == Some("reading_kept") || matches!(db.code().as_deref(), Some("40001" | "40P01"))
        }
        _ => false,
    }
}

async fn transaction(pool: &PgPool, provider_id: i32, items: &[Item]) -> sqlx::Result<Vec<Verdict>> {
    let mut db = pool.begin().await?;
    registry::keep_stamping(&mut db, provider_id).await?;
    let Resolved { mut verdicts, mut rows, quarantined } = resolve(&mut db, provider_id, items).await?;
    let earlier = channels::find(&mut db, provider_id, &mut rows).await?;
    // In the order of the index: batches that overlap wait for each other and never in a circle, and the index is
    // written from left to right.
    rows.sort_unstable_by_key(|row| (row.identity(), row.index));
    let repeated = split_off_repeated(&mut rows);
    let doubtful = registers::fill_increments(&mut db, &mut rows).await?;
    channels::begin_earlier(&mut db, &earlier).await?;
    let new = insert(&mut db, &rows).await?;
    let open = registers::refold(&mut db, &doubtful).await?.open;
    let (stored, sent_before): (Vec<_>, Vec<_>) = rows.iter().partition(|row| new.contains(&row.identity()));
    let mut standing = existing(&mut db, &sent_before).await?;
    standing.extend(stored.iter().map(|row| (row.identity(), Standing::of(row))));
    for row in &stored {
        let suspicion = open.get(&row.identity());
        verdicts[row.index] = Some(suspicion.map_or(Verdict::Stored, |suspicion| row.under_review(*suspicion)));
    }
    for row in sent_before.into_iter().chain(&repeated) {
        let there = standing.get(&row.identity()).ok_or(sqlx::Error::RowNotFound)?;
        verdicts[row.index] = Some(there.compared_with(row));
    }
    quarantine(&mut db, provider_id, &quarantined).await?;
    db.commit().await?;
    // Every item was either given its verdict when it was resolved or is a row, and those have theirs by now.
    verdicts.into_iter().collect::<Option<Vec<_>>>().ok_or(sqlx::Error::RowNotFound)
}

impl Row<'_> {
    pub fn identity(&self) -> Identity {
        (self.channel_id, self.raw.at, self.event_key)
    }

    fn under_review(&self, suspicion: Suspicion) -> Verdict {
        let trusted = Scaled::new(suspicion.trusted.value, self.metric.scale);
        let at = suspicion.trusted.at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        let why = match suspicion.doubt {
            Doubt::Jump => "runs faster than the metric allows",
            Doubt::Decrease | Doubt::Reset => "is a decrease",
        };
        let detail =
            format!("from {trusted} at {at} it {why}: it adds nothing until somebody decides, see GET /v1/reviews");
        Verdict::UnderReview(Reason::new(Code::UnderReview, detail))
    }
}

/// Takes out of sorted rows those whose identity came before.
fn split_off_repeated<'a>(rows: &mut Vec<Row<'a>>) -> Vec<Row<'a>> {
    let mut last = None;
    let (repeated, first) = rows.drain(..).partition(|row| last.replace(row.identity()) == Some(row.identity()));
    *rows = first;
    repeated
}

/// Inserts rows sorted by identity; returns the identities of those that were new.
async fn insert(db: &mut PgConnection, rows: &[Row<'_>]) -> sqlx::Result<HashSet<Identity>> {
    let new: Vec<Identity> = sqlx::query_as(include_str!("../../sql/ingest/insert.sql"))
        .bind(column(rows, |row| row.channel_id))
        .bind(column(rows, |row| row.raw.at))
        .bind(column(rows, |row| row.event_key))
        .bind(column(rows, |row| row.raw.id.as_deref()))
        .bind(column(rows, |row| row.value))
        .bind(column(rows, |row| row.increment))
        .bind(column(rows, |row| row.owner.customer_id))
        .bind(column(rows, |row| row.owner.group_id))
        .bind(column(rows, |row| row.billing_day))
        .fetch_all(db)
        .await?;
    Ok(new.into_iter().collect())
}

fn column<'a, T>(rows: &'a [Row<'_>], of: impl Fn(&'a Row<'_>) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// What is stored under an identity.
struct Standing {
    value: i64,
    id: Option<String>,
}

impl Standing {
    fn of(row: &Row<'_>) -> Self {
        Self { value: row.value, id: row.raw.id.clone() }
    }

    fn compared_with(&self, row: &Row<'_>) -> Verdict {
        let at = row.raw.at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        if self.id != row.raw.id {
            // Two ids with the same first 64 bits of SHA-256.
            let detail = format!("the id {} cannot be told from another one at {at}; choose another id", id(row.raw));
            return Verdict::Conflict(Reason::new(Code::IdDiffers, detail));
        }
        if self.value == row.value {
            return Verdict::Duplicate;
        }
        let (stored, sent) = (Scaled::new(self.value, row.metric.scale), Scaled::new(row.value, row.metric.scale));
        let detail = format!("the reading at {at} is stored with the value {stored}, which stands; {sent} was sent");
        Verdict::Conflict(Reason::new(Code::ValueDiffers, detail))
    }
}

fn id(raw: &RawReading) -> String {
    quote(raw.id.as_deref().unwrap_or_default())
}

/// What is stored under the identities of these rows.
async fn existing(db: &mut PgConnection, rows: &[&Row<'_>]) -> sqlx::Result<HashMap<Identity, Standing>> {
    let (Some(first), Some(last)) = (rows.iter().map(|row| row.raw.at).min(), rows.iter().map(|row| row.raw.at).max())
    else {
        return Ok(HashMap::new());
    };
    let found: Vec<(i64, i64, Option<String>)> = sqlx::query_as(include_str!("../../sql/ingest/existing.sql"))
        .bind(rows.iter().map(|row| row.channel_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.raw.at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.event_key).collect::<Vec<_>>())
        .bind(first)
        .bind(last)
        .fetch_all(db)
        .await?;
    let standing =
        found.into_iter().map(|(place, value, id)| (rows[place as usize - 1].identity(), Standing { value, id }));
    Ok(standing.collect())
}

/// Keeps readings apart, once each.
async fn quarantine(db: &mut PgConnection, provider_id: i32, readings: &[(&RawReading, Code)]) -> sqlx::Result<()> {
    if readings.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/ingest/quarantine.sql"))
        .bind(provider_id)
        .bind(readings.iter().map(|(raw, _)| raw.device.to_string()).collect::<Vec<_>>())
        .bind(readings.iter().map(|(raw, _)| raw.metric.to_string()).collect::<Vec<_>>())
        .bind(readings.iter().map(|(raw, _)| raw.at).collect::<Vec<_>>())
        .bind(readings.iter().map(|(raw, _)| raw.value.as_str()).collect::<Vec<_>>())
        .bind(readings.iter().map(|(raw, _)| raw.id.as_deref()).collect::<Vec<_>>())
        .bind(readings.iter().map(|(raw, _)| sqlx::types::Json(&raw.dimensions)).collect::<Vec<_>>())
        .bind(readings.iter().map(|(_, code)| code.as_str()).collect::<Vec<_>>())
        .execute(db)
        .await
        .map(drop)
}
