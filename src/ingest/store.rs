//! Rows into `reading`, and what was there already.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::core::decimal::Scaled;
use crate::core::reading::field::quote;
use crate::core::reading::register::{Doubt, Suspicion};
use crate::core::reading::{Code, RawReading, Reason};
use crate::ingest::chunks::Chunks;
use crate::ingest::copy;
use crate::ingest::resolve::Row;
use crate::ingest::verdict::Verdict;

/// Identity of a reading: channel, instant, event key.
pub type Identity = (i32, DateTime<Utc>, i64);

impl Row<'_> {
    pub fn identity(&self) -> Identity {
        (self.channel_id, self.raw.at, self.event_key)
    }

    /// Its verdict, stored as it is.
    pub fn under_review(&self, suspicion: Suspicion) -> Verdict {
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
pub fn split_off_repeated<'a>(rows: &mut Vec<Row<'a>>) -> Vec<Row<'a>> {
    if rows.is_sorted_by(|a, b| a.identity() < b.identity()) {
        return Vec::new();
    }
    let mut last = None;
    let (repeated, first) = rows.drain(..).partition(|row| last.replace(row.identity()) == Some(row.identity()));
    *rows = first;
    repeated
}

/// Rows from which on it pays to append them by COPY.
const MANY: usize = 50;

/// Stores rows sorted by identity; returns those that were not new. Where many seem to collide with nothing, they are
/// appended, straight into their `chunks` where there are any, and if one does collide, all fails with a unique violation:
/// the caller tries again with no row `fresh`.
pub async fn insert<'r, 'a>(
    db: &mut PgConnection,
    rows: &'r [Row<'a>],
    chunks: Option<&Chunks>,
) -> sqlx::Result<Vec<&'r Row<'a>>> {
    let (fresh, known): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.fresh);
    if fresh.len() < MANY {
        return insert_new(db, rows.iter().collect()).await;
    }
    copy::append(db, &fresh, chunks).await?;
    insert_new(db, known).await
}

/// Inserts those that are new; returns the others.
async fn insert_new<'r, 'a>(db: &mut PgConnection, rows: Vec<&'r Row<'a>>) -> sqlx::Result<Vec<&'r Row<'a>>> {
    if rows.is_empty() {
        return Ok(rows);
    }
    let new: Vec<Identity> = sqlx::query_as(include_str!("../../sql/ingest/insert.sql"))
        .bind(column(&rows, |row| row.channel_id))
        .bind(column(&rows, |row| row.raw.at))
        .bind(column(&rows, |row| row.event_key))
        .bind(column(&rows, |row| row.raw.id.as_deref()))
        .bind(column(&rows, |row| row.value))
        .bind(column(&rows, |row| row.increment))
        .bind(column(&rows, |row| row.owner.customer_id))
        .bind(column(&rows, |row| row.owner.group_id))
        .bind(column(&rows, |row| row.billing_day))
        .fetch_all(db)
        .await?;
    if new.len() == rows.len() {
        return Ok(Vec::new());
    }
    let new: HashSet<_> = new.into_iter().collect();
    Ok(rows.into_iter().filter(|row| !new.contains(&row.identity())).collect())
}

fn column<'r, 'a, T>(rows: &[&'r Row<'a>], of: impl Fn(&'r Row<'a>) -> T) -> Vec<T> {
    rows.iter().map(|row| of(row)).collect()
}

/// Compares rows that are not new, and those whose identity came before among the rows, with what is stored.
pub async fn compare(
    db: &mut PgConnection,
    rows: &[Row<'_>],
    sent_before: &[&Row<'_>],
    repeated: &[Row<'_>],
    verdicts: &mut [Option<Verdict>],
) -> sqlx::Result<()> {
    let standing = existing(db, sent_before).await?;
    for row in sent_before {
        // What was there has gone meanwhile: the caller tries again.
        let there = standing.get(&row.identity()).ok_or(sqlx::Error::RowNotFound)?;
        verdicts[row.index] = Some(there.compared_with(row));
    }
    for row in repeated {
        let first = || rows.binary_search_by_key(&row.identity(), Row::identity).ok().map(|at| Standing::of(&rows[at]));
        let verdict = match standing.get(&row.identity()) {
            Some(there) => there.compared_with(row),
            None => first().ok_or(sqlx::Error::RowNotFound)?.compared_with(row),
        };
        verdicts[row.index] = Some(verdict);
    }
    Ok(())
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
