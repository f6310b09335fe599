//! What going through a channel's readings found, as it is written.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::core::reading::register::{Doubt, Suspicion};
use crate::ingest::registers::neighbours::columns;
use crate::ingest::registers::refold::Place;
use crate::ingest::store::Identity;

/// What is to be written, and what waits for a decision.
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
        let (channels, instants, event_keys) = columns(self.suspicious.iter().map(|(identity, _, _)| *identity));
        let suspicions = || self.suspicious.iter().map(|(_, _, suspicion)| suspicion);
        let (_, trusted_instants, trusted_event_keys) =
            columns(suspicions().map(|suspicion| (0, suspicion.trusted.at, suspicion.trusted.event_key)));
        sqlx::query(include_str!("../../../sql/registers/suspect.sql"))
            .bind(suspicions().map(|_| Uuid::now_v7()).collect::<Vec<_>>())
            .bind(channels)
            .bind(instants)
            .bind(event_keys)
            .bind(self.suspicious.iter().map(|(_, value, _)| *value).collect::<Vec<_>>())
            .bind(suspicions().map(|suspicion| kind(suspicion.doubt)).collect::<Vec<_>>())
            .bind(suspicions().map(|suspicion| suspicion.repeated).collect::<Vec<_>>())
            .bind(trusted_instants)
            .bind(trusted_event_keys)
            .bind(suspicions().map(|suspicion| suspicion.trusted.value).collect::<Vec<_>>())
            .bind(suspicions().map(|suspicion| suspicion.accepting).collect::<Vec<_>>())
            .execute(db)
            .await
            .map(drop)
    }

    async fn clear(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        let (channels, instants, event_keys) =
            columns(self.runs.iter().map(|run| (run.channel_id, run.after.0, run.after.1)));
        let ends = || self.runs.iter().map(|run| run.before);
        sqlx::query(include_str!("../../../sql/registers/clear.sql"))
            .bind(channels)
            .bind(instants)
            .bind(event_keys)
            .bind(ends().map(|end| end.map(|(at, _)| at)).collect::<Vec<_>>())
            .bind(ends().map(|end| end.map(|(_, event_key)| event_key)).collect::<Vec<_>>())
            .bind(self.runs.iter().map(|run| run.cleared).collect::<Vec<_>>())
            .execute(db)
            .await
            .map(drop)
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
