//! Readings in quarantine are tried again: as many at a time as a transaction can take. What is stored by then, or was,
//! leaves in that transaction; what cannot be stays, with what speaks against it now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::core::entity::{BadKey, Ref};
use crate::core::reading::{Code, Item, RawReading, Reason};
use crate::http::access::Tenant;
use crate::ingest::directory::Directory;
use crate::ingest::flush::{self, Held, Road, Sent, Stamping, Tries};
use crate::ingest::portions::Readings;
use crate::ingest::quarantine::filter::Filter;
use crate::ingest::quarantine::left::{self, LeftByKey};
use crate::ingest::verdict::{Status, Verdict};
use crate::keys::{self, Part};
use crate::registry::audit::{self, Action};

/// Readings that are tried in one transaction.
const BATCH: i64 = 5_000;

/// Names that readings were waiting for, of which some are tried in one transaction.
const NAMES: i64 = 500;

/// Tries readings in quarantine again. Cheap to clone.
#[derive(Clone)]
pub struct Replayer {
    pub(super) pool: PgPool,
    directory: Arc<Directory>,
}

/// What became of readings that were tried again, in the order of [`Status`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed([u64; 5]);

/// What readings in quarantine were waiting for.
#[derive(Debug, sqlx::FromRow)]
struct Due {
    provider_id: i32,
    kind: String,
    name: String,
    behind: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    quarantine_id: i64,
    key_id: Option<i32>,
    bound_key_id: Option<i32>,
    device: String,
    metric: String,
    at: DateTime<Utc>,
    value: String,
    event_id: Option<String>,
    dimensions: Json<BTreeMap<String, String>>,
}

impl Replayed {
    pub fn of(&self, status: Status) -> u64 {
        self.0[status as usize]
    }

    pub fn tried(&self) -> u64 {
        self.0.iter().sum()
    }

    /// As the audit keeps it.
    fn shown(&self) -> Value {
        json!({
            "stored": self.of(Status::Stored), "duplicates": self.of(Status::Duplicate),
            "conflicts": self.of(Status::Conflict), "quarantined": self.of(Status::Quarantined),
            "rejected": self.of(Status::Rejected),
        })
    }

    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }
}

impl Replayer {
    pub fn new(pool: PgPool, directory: Arc<Directory>) -> Self {
        Self { pool, directory }
    }

    /// Tries some of the readings again that became storable. None when there are none that nobody else is trying, or not
    /// just now.
    pub async fn due(&self) -> sqlx::Result<Option<Replayed>> {
        let mut tries = Tries::default();
        loop {
            match self.try_due(tries.road).await {
                Err(error) if tries.again(&error, &self.directory).await => {}
                done => return done,
            }
        }
    }

    /// Tries a provider's first readings behind a position again that a filter names. Tells where the next ones begin; no
    /// longer when these were the last. The audit keeps what was asked and what became of them.
    pub async fn matching(
        &self,
        tenant: &Tenant,
        filter: &Filter,
        behind: i64,
    ) -> sqlx::Result<(Replayed, Option<i64>)> {
        let mut tries = Tries::default();
        loop {
            match self.try_matching(tenant, filter, behind, tries.road).await {
                Err(error) if tries.again(&error, &self.directory).await => {}
                done => return done,
            }
        }
    }

    async fn try_due(&self, road: Road) -> sqlx::Result<Option<Replayed>> {
        let mut db = self.pool.begin().await?;
        let due: Vec<Due> =
            sqlx::query_as(include_str!("../../../sql/quarantine/due.sql")).bind(NAMES).fetch_all(&mut *db).await?;
        let Some(Due { provider_id, .. }) = due.first() else { return Ok(None) };
        let provider_id = *provider_id;
        let stamping = flush::keep_stamping(&mut db, BTreeSet::from([provider_id]), Held::LeftOut).await?;
        if stamping.is_empty() {
            // Somebody changes the registry: others have their turn first.
            later(&mut db, provider_id, &due, None).await?;
            db.commit().await?;
            return Ok(None);
        }
        let found: Vec<(i64, i64)> = sqlx::query_as(include_str!("../../../sql/quarantine/due_readings.sql"))
            .bind(provider_id)
            .bind(due.iter().map(|due| due.kind.as_str()).collect::<Vec<_>>())
            .bind(due.iter().map(|due| due.name.as_str()).collect::<Vec<_>>())
            .bind(due.iter().map(|due| due.behind).collect::<Vec<_>>())
            .bind(BATCH)
            .fetch_all(&mut *db)
            .await?;
        // Where there may be more, it is of the last of what these were waiting for, or of those after it.
        let (done, unfinished) = match found.last() {
            Some((place, last)) if found.len() as i64 == BATCH => (*place as usize - 1, Some(*last)),
            _ => (due.len(), None),
        };
        sqlx::query(include_str!("../../../sql/quarantine/done.sql"))
            .bind(provider_id)
            .bind(due[..done].iter().map(|due| due.kind.as_str()).collect::<Vec<_>>())
            .bind(due[..done].iter().map(|due| due.name.as_str()).collect::<Vec<_>>())
            .execute(&mut *db)
            .await?;
        if let Some(next) = due.get(done) {
            later(&mut db, provider_id, std::slice::from_ref(next), unfinished).await?;
        }
        let ids = found.into_iter().map(|(_, id)| id).collect();
        self.replay(db, provider_id, stamping, ids, road, None).await.map(Some)
    }

    async fn try_matching(
        &self,
        tenant: &Tenant,
        filter: &Filter,
        behind: i64,
        road: Road,
    ) -> sqlx::Result<(Replayed, Option<i64>)> {
        let mut db = self.pool.begin().await?;
        let provider_id = tenant.provider_id();
        let stamping = flush::keep_stamping(&mut db, BTreeSet::from([provider_id]), Held::WaitedFor).await?;
        let ids: Vec<i64> = sqlx::query_scalar(include_str!("../../../sql/quarantine/matching.sql"))
            .bind(provider_id)
            .bind(behind)
            .bind(filter.code.map(Code::as_str))
            .bind(&filter.device)
            .bind(&filter.metric)
            .bind(filter.from)
            .bind(filter.to)
            .bind(BATCH)
            .fetch_all(&mut *db)
            .await?;
        let next = ids.last().copied().filter(|_| ids.len() as i64 == BATCH);
        let asked = Some((tenant, filter));
        Ok((self.replay(db, provider_id, stamping, ids, road, asked).await?, next))
    }

    /// Stores what can be stored of a provider's readings in quarantine, and commits; with an entry in the audit where a
    /// caller asked for it.
    async fn replay(
        &self,
        mut db: Transaction<'_, Postgres>,
        provider_id: i32,
        stamping: BTreeMap<i32, Stamping>,
        ids: Vec<i64>,
        road: Road,
        asked: Option<(&Tenant, &Filter)>,
    ) -> sqlx::Result<Replayed> {
        let rows: Vec<Row> =
            sqlx::query_as(include_str!("../../../sql/quarantine/take.sql")).bind(ids).fetch_all(&mut *db).await?;
        // What a key of a part sent is stored for that part alone, however long it waited.
        let bound: Vec<Option<i32>> = rows.iter().map(|row| row.bound_key_id).collect();
        let parts = keys::parts(&mut db, &bound.iter().flatten().copied().collect::<Vec<_>>()).await?;
        let (waiting, items): (Vec<_>, Vec<_>) = rows.into_iter().map(Row::split).unzip();
        let (keys, mut items) = (bound.chunk_by(|a, b| a == b), items.into_iter());
        let of_keys: Vec<_> =
            keys.map(|key| (key[0], Readings::from(items.by_ref().take(key.len()).collect::<Vec<_>>()))).collect();
        let mut sent = Vec::new();
        for (key_id, readings) in &of_keys {
            let part = match key_id {
                Some(key_id) => parts.get(key_id).ok_or(sqlx::Error::RowNotFound)?,
                None => &Part::All,
            };
            sent.push(Sent { provider_id, part, readings });
        }
        let put = flush::put(&mut db, &self.directory, &sent, &stamping, road).await?;
        let verdicts: Vec<&Verdict> =
            put.verdicts.iter().map(|v| v.as_ref().ok_or(sqlx::Error::RowNotFound)).collect::<sqlx::Result<_>>()?;
        let replayed = settle(&mut db, provider_id, &waiting, &verdicts).await?;
        if let Some((tenant, filter)) = asked.filter(|_| replayed.tried() > 0) {
            let (before, after) = (Some(filter.shown().into()), Some(replayed.shown()));
            let entry = audit::Entry { entity: "quarantine", before, after };
            audit::write(&mut db, &tenant.by, Action::QuarantineReplay, &[entry]).await?;
        }
        db.commit().await?;
        put.remember(&self.directory, &stamping).await;
        Ok(replayed)
    }
}

/// Number of a reading in quarantine, and the key that sent it.
type Waiting = (i64, Option<i32>);

impl Row {
    fn split(self) -> (Waiting, Item) {
        let waiting = (self.quarantine_id, self.key_id);
        (waiting, Item { line: None, reading: self.reading() })
    }

    /// As it was sent. Only what somebody changed by hand is not sound.
    fn reading(self) -> Result<RawReading, Reason> {
        let name =
            |text: &str, code| text.parse::<Ref>().map_err(|why: BadKey| Reason::new(code, format!("{text:?}: {why}")));
        Ok(RawReading {
            device: name(&self.device, Code::InvalidDevice)?,
            metric: name(&self.metric, Code::InvalidMetric)?,
            at: self.at,
            value: self.value.into(),
            id: self.event_id,
            dimensions: self.dimensions.0,
        })
    }
}

/// Takes out of quarantine what is stored, and notes with the rest what speaks against it.
async fn settle(
    db: &mut PgConnection,
    provider_id: i32,
    waiting: &[Waiting],
    verdicts: &[&Verdict],
) -> sqlx::Result<Replayed> {
    let (mut replayed, mut gone, mut left) = (Replayed::default(), Vec::new(), LeftByKey::new());
    let (mut staying, mut codes, mut details) = (Vec::new(), Vec::new(), Vec::new());
    for ((id, key_id), verdict) in waiting.iter().zip(verdicts) {
        replayed.0[verdict.status() as usize] += 1;
        match verdict {
            Verdict::Stored | Verdict::UnderReview(_) | Verdict::Duplicate => {
                let left = left.entry((provider_id, key_id.unwrap_or(0))).or_default();
                let is_duplicate = **verdict == Verdict::Duplicate;
                *(if is_duplicate { &mut left.duplicates } else { &mut left.stored }) += 1;
                gone.push(*id);
            }
            Verdict::Conflict(reason) | Verdict::Quarantined(reason) | Verdict::Rejected(reason) => {
                staying.push(*id);
                codes.push(reason.code.as_str());
                details.push((!reason.code.is_curable()).then_some(reason.detail.as_str()));
            }
        }
    }
    if !gone.is_empty() {
        sqlx::query(include_str!("../../../sql/quarantine/remove.sql")).bind(gone).execute(&mut *db).await?;
    }
    if !staying.is_empty() {
        let explain = sqlx::query(include_str!("../../../sql/quarantine/explain.sql"));
        explain.bind(staying).bind(codes).bind(details).execute(&mut *db).await?;
    }
    left::count(db, &left).await?;
    Ok(replayed)
}

/// Lets others have their turn first; with `behind`, readings up to there were tried.
async fn later(db: &mut PgConnection, provider_id: i32, due: &[Due], behind: Option<i64>) -> sqlx::Result<()> {
    sqlx::query(include_str!("../../../sql/quarantine/later.sql"))
        .bind(provider_id)
        .bind(due.iter().map(|due| due.kind.as_str()).collect::<Vec<_>>())
        .bind(due.iter().map(|due| due.name.as_str()).collect::<Vec<_>>())
        .bind(behind)
        .execute(db)
        .await
        .map(drop)
}
