//! A flush: many requests, one transaction, a verdict for each reading.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::repeat;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::database;
use crate::ingest::channels::Beginnings;
use crate::ingest::directory::{Channel, Directory};
use crate::ingest::listened::{Came, Listened};
use crate::ingest::portions::Readings;
use crate::ingest::quarantine::keep;
use crate::ingest::queue::Batch;
use crate::ingest::resolve::{Quarantined, Resolved, Row, resolve};
use crate::ingest::verdict::Verdict;
use crate::ingest::{accounts, channels, listened, registers, store};
use crate::keys::Part;

/// How often a flush is tried that the database undid because of another one.
const ATTEMPTS: u32 = 5;

/// What becomes of a provider whose owners, zones or metrics somebody is about to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Its readings are stored when that is done.
    WaitedFor,
    /// It is left out.
    LeftOut,
}

/// How rows that seem to be new are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    /// Straight into the chunks that are remembered.
    Chunks,
    /// Through the hypertable.
    Table,
    /// None is taken for new before the database has said so.
    Careful,
}

/// Readings of one provider.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'b> {
    pub provider_id: i32,
    /// For which part of it the key is that sent them.
    pub part: &'b Part,
    pub readings: &'b Readings,
}

/// A provider whose registry is kept as it is.
#[derive(Debug, sqlx::FromRow)]
pub struct Stamping {
    provider_id: i32,
    /// That of its registry.
    version: i64,
    /// From which instant on readings are kept.
    kept_from: Option<DateTime<Utc>>,
    /// Customers that somebody listens to who sees them with all below them.
    listened: Vec<i32>,
}

/// Stores what can be stored of these requests, all of it or nothing. Gives each one's verdicts, in the order of its
/// readings; none for those of providers that are left out. A provider has at most `quarantine` readings in quarantine.
pub async fn store(
    pool: &PgPool,
    directory: &Directory,
    quarantine: usize,
    batches: &[Batch],
    held: Held,
) -> sqlx::Result<Vec<Option<Vec<Verdict>>>> {
    let mut tries = Tries::default();
    loop {
        match transaction(pool, directory, quarantine, batches, held, tries.road).await {
            Err(error) if tries.again(&error, directory).await => {}
            done => return done,
        }
    }
}

/// How a transaction that stores readings is tried.
#[derive(Debug)]
pub struct Tries {
    undone: u32,
    pub road: Road,
}

impl Default for Tries {
    fn default() -> Self {
        Self { undone: 0, road: Road::Chunks }
    }
}

impl Tries {
    /// Whether to try again after this error, on another road or after a pause where that is good.
    pub async fn again(&mut self, error: &sqlx::Error, directory: &Directory) -> bool {
        if self.road != Road::Careful && collided(error) {
            self.road = Road::Careful;
            return true;
        }
        if self.road == Road::Chunks && misplaced(error) {
            tracing::info!(%error, "chunks of readings are no longer as they were");
            directory.chunks.forget();
            self.road = Road::Table;
            return true;
        }
        self.undone += 1;
        if !was_undone(error) || self.undone >= ATTEMPTS {
            return false;
        }
        tracing::info!(%error, attempt = self.undone, "flush undone by the database; trying again");
        tokio::time::sleep(Duration::from_millis(10 << self.undone)).await;
        true
    }
}

/// Whether a reading that was taken for new was there already: unique_violation.
fn collided(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|db| db.code().as_deref() == Some("23505"))
}

/// Whether readings were copied to where they do not belong: undefined_table, object_not_in_prerequisite_state,
/// check_violation of a chunk.
fn misplaced(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|db| {
        matches!(db.code().as_deref(), Some("42P01" | "55000" | "23514")) && db.constraint() != Some("reading_kept")
    })
}

/// Whether the database gave the flush up for another one: serialization_failure, deadlock_detected, a reading that was
/// there when this flush came and had gone when it looked, or retention that moved on meanwhile.
fn was_undone(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::RowNotFound => true,
        sqlx::Error::Database(db) => {
            db.constraint() == Some("reading_kept") || matches!(db.code().as_deref(), Some("40001" | "40P01"))
        }
        _ => false,
    }
}

/// The readings of each provider, with the place of the first of them among all.
type ByProvider<'b> = BTreeMap<i32, Vec<(usize, Sent<'b>)>>;

async fn transaction(
    pool: &PgPool,
    directory: &Directory,
    quarantine: usize,
    batches: &[Batch],
    held: Held,
    road: Road,
) -> sqlx::Result<Vec<Option<Vec<Verdict>>>> {
    let mut db = begin(pool).await?;
    let providers: BTreeSet<i32> = batches.iter().map(|batch| batch.provider_id).collect();
    let stamping = keep_stamping(&mut db, providers, held).await?;
    let kept: Vec<&Batch> = batches.iter().filter(|batch| stamping.contains_key(&batch.provider_id)).collect();
    let mut stored = if kept.is_empty() {
        Vec::new()
    } else {
        store_kept(db, directory, quarantine, &kept, &stamping, road).await?
    }
    .into_iter();
    let of_batch = |batch: &Batch| stamping.contains_key(&batch.provider_id).then(|| stored.next()).flatten();
    Ok(batches.iter().map(of_batch).collect())
}

async fn begin(pool: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    let mut tries = 0;
    loop {
        match pool.begin().await {
            Err(error) if database::is_worth_another(&error, pool, &mut tries) => {}
            begun => return begun,
        }
    }
}

/// Stores requests of providers whose registries are kept as they are, and commits.
async fn store_kept(
    mut db: Transaction<'_, Postgres>,
    directory: &Directory,
    quarantine: usize,
    batches: &[&Batch],
    stamping: &BTreeMap<i32, Stamping>,
    road: Road,
) -> sqlx::Result<Vec<Vec<Verdict>>> {
    let sent: Vec<_> = batches
        .iter()
        .map(|batch| Sent { provider_id: batch.provider_id, part: &batch.part, readings: &batch.readings })
        .collect();
    let mut put = put(&mut db, directory, &sent, stamping, road).await?;
    let quarantined = std::mem::take(&mut put.quarantined);
    let new = keep::keep(&mut db, quarantined, quarantine, key_of(batches), &mut put.verdicts).await?;
    accounts::count(&mut db, batches, &put.verdicts, &new).await?;
    listened::count(&mut db, &put.came).await?;
    db.commit().await?;
    put.remember(directory, stamping).await;
    let mut verdicts = put.verdicts.into_iter();
    let of_batch = |batch: &&Batch| verdicts.by_ref().take(batch.readings.len()).collect::<Option<Vec<_>>>();
    batches.iter().map(of_batch).collect::<Option<Vec<_>>>().ok_or(sqlx::Error::RowNotFound)
}

/// Tells of a reading's place among all which API key sent it.
fn key_of<'b>(batches: &'b [&Batch]) -> impl Fn(usize) -> Option<i32> + use<'b> {
    let ends: Vec<usize> = batches
        .iter()
        .scan(0, |end, batch| {
            *end += batch.readings.len();
            Some(*end)
        })
        .collect();
    move |place| batches.get(ends.partition_point(|end| *end <= place)).and_then(|batch| batch.key_id)
}

/// What became of readings, in a transaction that is not committed yet.
pub struct Put<'b> {
    /// For each reading, in their order.
    pub verdicts: Vec<Option<Verdict>>,
    /// What of them is counted for listeners.
    came: Came,
    rows: Vec<Row<'b>>,
    quarantined: Vec<Quarantined<'b>>,
}

/// Stores what can be stored of readings of providers whose registries are kept as they are.
pub async fn put<'b>(
    db: &mut PgConnection,
    directory: &Directory,
    sent: &[Sent<'b>],
    stamping: &BTreeMap<i32, Stamping>,
    road: Road,
) -> sqlx::Result<Put<'b>> {
    let mut by_provider = ByProvider::new();
    let mut readings = 0;
    for sent in sent {
        by_provider.entry(sent.provider_id).or_default().push((readings, *sent));
        readings += sent.readings.len();
    }
    let (mut resolved, earlier) = resolve_all(db, directory, &by_provider, stamping, readings).await?;
    // In the order of the index, which is written from left to right then. Flushes with the same readings wait for each other,
    // and seldom in a circle: where one makes a chunk meanwhile, or some of their readings go another road. The database
    // undoes one of them then, which is tried again.
    // Rows of an identity stay in the order in which they came. Requests mostly name their channels in the same order, so that
    // there are few runs, which are merged.
    resolved.rows.sort_by_key(Row::identity);
    let repeated = store::split_off_repeated(&mut resolved.rows);
    let Resolved { mut verdicts, mut rows, quarantined, listened } = resolved;
    let doubtful = registers::fill_increments(db, &mut rows).await?;
    channels::begin_earlier(db, &earlier).await?;
    if road == Road::Careful {
        rows.iter_mut().for_each(|row| row.fresh = false);
    }
    let sent_before = store::insert(db, &rows, (road == Road::Chunks).then_some(&directory.chunks)).await?;
    let open = registers::refold(db, &doubtful).await?.open;
    for row in &rows {
        let suspicion = open.get(&row.identity());
        verdicts[row.index] = Some(suspicion.map_or(Verdict::Stored, |suspicion| row.under_review(*suspicion)));
    }
    // Every item was either given its verdict when it was resolved or is a row, and those have theirs by now.
    store::compare(db, &rows, &sent_before, &repeated, &mut verdicts).await?;
    let came = listened::tally(&listened, rows.iter().chain(&repeated), &verdicts);
    Ok(Put { verdicts, came, rows, quarantined })
}

/// Keeps the registries of providers as they are until the transaction ends; tells their versions, and to what somebody
/// listens.
pub async fn keep_stamping(
    db: &mut PgConnection,
    providers: BTreeSet<i32>,
    held: Held,
) -> sqlx::Result<BTreeMap<i32, Stamping>> {
    let kept: Vec<Stamping> = sqlx::query_as(include_str!("../../sql/ingest/keep_stamping.sql"))
        .bind(Vec::from_iter(providers))
        .bind(held == Held::WaitedFor)
        .fetch_all(db)
        .await?;
    Ok(kept.into_iter().map(|stamping| (stamping.provider_id, stamping)).collect())
}

/// Gives each reading that can be stored its channel, owner and billing day, and the others their verdicts. Also the
/// channels that begin earlier than was known.
async fn resolve_all<'b>(
    db: &mut PgConnection,
    directory: &Directory,
    by_provider: &ByProvider<'b>,
    stamping: &BTreeMap<i32, Stamping>,
    readings: usize,
) -> sqlx::Result<(Resolved<'b>, Beginnings)> {
    let mut resolved = Resolved {
        verdicts: vec![None; readings],
        rows: Vec::with_capacity(readings),
        quarantined: Vec::new(),
        listened: Listened::new(),
    };
    let mut earlier = Beginnings::new();
    // In the order of their numbers: those who wait for a provider's memory never do so in a circle.
    for (provider_id, sent) in by_provider {
        let Stamping { version, kept_from, listened, .. } =
            stamping.get(provider_id).ok_or(sqlx::Error::RowNotFound)?;
        let items = sent.iter().flat_map(|(start, sent)| (*start..).zip(sent.readings.iter()).zip(repeat(sent.part)));
        let first = (resolved.rows.len(), resolved.quarantined.len());
        let provider = directory.provider(*provider_id);
        let mut known = provider.read().await;
        if !known.is_of(*version) || !resolve(*provider_id, *kept_from, &known, false, items.clone(), &mut resolved) {
            resolved.rows.truncate(first.0);
            resolved.quarantined.truncate(first.1);
            drop(known);
            let mut learning = provider.write().await;
            learning.as_of(*version);
            let readings = items.clone().filter_map(|((_, item), _)| item.reading.as_ref().ok());
            learning.load(db, *provider_id, readings).await?;
            known = learning.downgrade();
            resolve(*provider_id, *kept_from, &known, true, items, &mut resolved);
        }
        let rows = &mut resolved.rows[first.0..];
        let owners = rows.iter().map(|row| row.owner.customer_id);
        resolved.listened.extend(known.listened(db, listened, owners).await?);
        channels::find(db, *provider_id, &known, rows, &mut earlier).await?;
    }
    Ok((resolved, earlier))
}

impl Put<'_> {
    /// Remembers the channels of the rows, now that they are committed, and that these are in them.
    pub async fn remember(&self, directory: &Directory, stamping: &BTreeMap<i32, Stamping>) {
        let mut learned: BTreeMap<i32, Vec<_>> = BTreeMap::new();
        // Sorted by channel, then by time.
        for of_channel in self.rows.chunk_by(|a, b| a.channel_id == b.channel_id) {
            let first = &of_channel[0];
            learned.entry(first.provider_id).or_default().push((first.channel(), Channel::of(of_channel)));
        }
        for (provider_id, channels) in learned {
            let known = directory.provider(provider_id);
            let mut known = known.write().await;
            known.learn(stamping[&provider_id].version, channels.into_iter());
        }
    }
}
