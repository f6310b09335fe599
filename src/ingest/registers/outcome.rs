//! What going through channels' readings found, and how it is written.

use std::collections::HashMap;

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};
use uuid::Uuid;

use crate::core::reading::register::{Doubt, Suspicion};
use crate::ingest::registers::neighbours::columns;
use crate::ingest::registers::refold::Place;
use crate::ingest::store::Identity;

/// What is stored otherwise than it should be, and what waits for a decision.
#[derive(Default)]
pub struct Outcome {
    /// Increments that are others now.
    pub increments: Vec<(Identity, i64)>,
    /// Readings, with their values, that are suspicious now or for other reasons.
    pub suspicious: Vec<(Identity, i64, Suspicion)>,
    /// Readings that were suspicious and are not any more.
    pub trusted: Vec<Identity>,
    pub runs: Vec<Run>,
    pub open: HashMap<Identity, Suspicion>,
}

/// The suspicious readings after what was trusted.
pub struct Run {
    pub channel_id: i32,
    /// The trusted reading.
    pub after: Place,
    /// The reading that ended the run; none where it has not ended.
    pub before: Option<Place>,
    /// Whether that one showed them to be slips.
    pub cleared: bool,
}

impl Outcome {
    /// Writes it; returns the number of readings whose increment changed.
    pub async fn write(&self, db: &mut PgConnection) -> sqlx::Result<u64> {
        let changed = repair(db, &self.increments).await?;
        if !self.suspicious.is_empty() {
            self.suspect(db).await?;
        }
        if !self.trusted.is_empty() {
            let (channels, instants, event_keys) = columns(self.trusted.iter().copied());
            sqlx::query(include_str!("../../../sql/registers/trust.sql"))
                .bind(channels)
                .bind(instants)
                .bind(event_keys)
                .execute(&mut *db)
                .await?;
        }
        if !self.runs.is_empty() {
            self.clear(db).await?;
        }
        Ok(changed)
    }

    async fn suspect(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        self.bind_suspicious(sqlx::query(include_str!("../../../sql/registers/suspect.sql")))
            .bind(self.suspicious.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>())
            .bind(self.suspicious.iter().map(|(_, value, _)| *value).collect::<Vec<_>>())
            .execute(db)
            .await
            .map(drop)
    }

    /// Binds $1 to $9: identities of suspicious readings, and what is wrong with them.
    pub fn bind_suspicious<'q>(&self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        let (channels, instants, event_keys) = columns(self.suspicious.iter().map(|(identity, _, _)| *identity));
        let suspicions = || self.suspicious.iter().map(|(_, _, suspicion)| suspicion);
        let (_, trusted_instants, trusted_event_keys) =
            columns(suspicions().map(|suspicion| (0, suspicion.trusted.at, suspicion.trusted.event_key)));
        query
            .bind(channels)
            .bind(instants)
            .bind(event_keys)
            .bind(suspicions().map(|suspicion| kind(suspicion.doubt)).collect::<Vec<_>>())
            .bind(suspicions().map(|suspicion| suspicion.repeated).collect::<Vec<_>>())
            .bind(trusted_instants)
            .bind(trusted_event_keys)
            .bind(suspicions().map(|suspicion| suspicion.trusted.value).collect::<Vec<_>>())
            .bind(suspicions().map(|suspicion| suspicion.accepting).collect::<Vec<_>>())
    }

    async fn clear(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        let sql = include_str!("../../../sql/registers/clear.sql");
        self.bind_runs(sqlx::query(sql)).execute(db).await.map(drop)
    }

    /// Binds $1 to $6: between which readings runs are, and whether they were slips.
    pub fn bind_runs<'q>(&self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        let (channels, instants, event_keys) =
            columns(self.runs.iter().map(|run| (run.channel_id, run.after.0, run.after.1)));
        let ends = || self.runs.iter().map(|run| run.before);
        query
            .bind(channels)
            .bind(instants)
            .bind(event_keys)
            .bind(ends().map(|end| end.map(|(at, _)| at)).collect::<Vec<_>>())
            .bind(ends().map(|end| end.map(|(_, event_key)| event_key)).collect::<Vec<_>>())
            .bind(self.runs.iter().map(|run| run.cleared).collect::<Vec<_>>())
    }
}

/// Sets increments of stored readings; returns how many were others.
pub async fn repair(db: &mut PgConnection, repaired: &[(Identity, i64)]) -> sqlx::Result<u64> {
    let instants = || repaired.iter().map(|((_, at, _), _)| *at);
    let (Some(first), Some(last)) = (instants().min(), instants().max()) else { return Ok(0) };
    let (channels, instants, event_keys) = columns(repaired.iter().map(|(identity, _)| *identity));
    sqlx::query(include_str!("../../../sql/ingest/repair_increments.sql"))
        .bind(channels)
        .bind(instants)
        .bind(event_keys)
        .bind(repaired.iter().map(|(_, increment)| *increment).collect::<Vec<_>>())
        .bind(first)
        .bind(last)
        .execute(db)
        .await
        .map(|done| done.rows_affected())
}

/// A doubt as the database names it.
fn kind(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::Jump => "jump",
        Doubt::Decrease => "decrease",
        Doubt::Reset => "reset",
    }
}

/// The doubt that the database names.
pub fn doubt(kind: &str) -> Option<Doubt> {
    match kind {
        "jump" => Some(Doubt::Jump),
        "decrease" => Some(Doubt::Decrease),
        "reset" => Some(Doubt::Reset),
        _ => None,
    }
}
