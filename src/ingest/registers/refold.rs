//! Goes through a channel's stored readings from where something changed, until nothing changes any more.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use sqlx::PgConnection;

use crate::core::reading::register::{Decision, Doubt, Fold, Level, Register, State, Suspicion};
use crate::ingest::registers::definition;
use crate::ingest::registers::neighbours::{self, STEPS, columns};
use crate::ingest::registers::outcome::{self, Outcome, Run};
use crate::ingest::store::Identity;

/// Instant and event key: where a reading is in its channel.
pub type Place = (DateTime<Utc>, i64);

/// Where a channel's readings, or what decides their increments, changed: from the first of these places to the last.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub channel_id: i32,
    pub first: Place,
    pub last: Place,
}

impl Part {
    /// From an instant on, where something besides readings changed.
    pub fn at(channel_id: i32, at: DateTime<Utc>) -> Self {
        Self { channel_id, first: (at, i64::MIN), last: (at, i64::MIN) }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Refolded {
    /// Readings whose increment is another one now.
    pub changed: u64,
    /// Readings that it went through and that wait for a decision.
    pub open: HashMap<Identity, Suspicion>,
}

/// Readings of each channel that are read at once.
const PAGE: i64 = 1_000;

/// A stored reading, and what is known of it if it was ever suspicious.
#[derive(sqlx::FromRow)]
struct Following {
    channel_id: i32,
    ts: DateTime<Utc>,
    event_key: i64,
    value: i64,
    increment: i64,
    suspect: Option<bool>,
    kind: Option<String>,
    repeated: Option<bool>,
    trusted_ts: Option<DateTime<Utc>>,
    trusted_event_key: Option<i64>,
    trusted_value: Option<i64>,
    accepting: Option<i64>,
    decision: Option<String>,
    decided: Option<i64>,
}

/// One channel on its way.
struct Walk<'a> {
    part: Part,
    fold: Fold<'a>,
    /// The last reading that it went through.
    behind: Place,
    /// Those of the present run of suspicious readings that nobody decided about.
    open: Vec<(Identity, Suspicion)>,
    done: bool,
}

/// Computes the increments and reviews of these parts again, and of what follows as far as it changes. The caller has
/// locked the channels, each of which comes once.
pub async fn refold(db: &mut PgConnection, parts: &[Part]) -> sqlx::Result<Refolded> {
    let outcome = fold(db, parts, false).await?;
    let changed = outcome.write(db).await?;
    Ok(Refolded { changed, open: outcome.open })
}

/// What would be written if these parts, and what follows as far as only a run of suspicious readings goes on there, were
/// folded again: nothing, where all that is stored is as it should be. Each channel comes once.
pub async fn differences(db: &mut PgConnection, parts: &[Part]) -> sqlx::Result<Outcome> {
    fold(db, parts, true).await
}

/// Goes through these parts and what follows: as far as it changes, or in `parts_alone` as far as the run of suspicious
/// readings goes on in which a part ends.
async fn fold(db: &mut PgConnection, parts: &[Part], parts_alone: bool) -> sqlx::Result<Outcome> {
    let mut outcome = Outcome::default();
    if parts.is_empty() {
        return Ok(outcome);
    }
    let channels: Vec<i32> = parts.iter().map(|part| part.channel_id).collect();
    let registers = definition::of(db, &channels).await?;
    let mut walks = start(db, parts, &registers).await?;
    let first = parts.iter().map(|part| part.first.0).min().unwrap_or_default();
    let last = parts.iter().map(|part| part.last.0).max().unwrap_or_default();
    let mut behind = first;
    if parts_alone {
        // By days: a page of readings is then found without sorting all that the parts hold.
        while behind < last {
            let to = last.min(behind + TimeDelta::days(1));
            go(db, &mut walks, (behind, Some(to)), &mut outcome).await?;
            behind = to;
        }
        for walk in walks.values_mut() {
            walk.done |= walk.fold.state.suspect.is_none();
        }
    }
    for step in STEPS {
        let to = step.map(|step| last + step);
        go(db, &mut walks, (behind, to), &mut outcome).await?;
        behind = to.unwrap_or(behind);
    }
    for walk in walks.values_mut() {
        walk.end_run(None, &mut outcome);
    }
    Ok(outcome)
}

/// Lets each walk go on within two instants, of which none has readings to go before the first.
async fn go(
    db: &mut PgConnection,
    walks: &mut BTreeMap<i32, Walk<'_>>,
    (from, to): (DateTime<Utc>, Option<DateTime<Utc>>),
    outcome: &mut Outcome,
) -> sqlx::Result<()> {
    while let Some(behind) = walks.values().filter(|walk| !walk.done).map(|walk| walk.behind.0).min() {
        if !page(db, walks, (behind.max(from), to), outcome).await? {
            break;
        }
    }
    Ok(())
}

/// What is known before a part's first reading.
pub async fn state_before(db: &mut PgConnection, part: &Part) -> sqlx::Result<State> {
    Ok(states_before(db, std::slice::from_ref(part)).await?.remove(&0).unwrap_or_default())
}

/// The walks before their first reading.
async fn start<'a>(
    db: &mut PgConnection,
    parts: &[Part],
    registers: &'a HashMap<i32, Register>,
) -> sqlx::Result<BTreeMap<i32, Walk<'a>>> {
    let mut states = states_before(db, parts).await?;
    let mut walks = BTreeMap::new();
    for (place, part) in parts.iter().enumerate() {
        let register = registers.get(&part.channel_id).ok_or(sqlx::Error::RowNotFound)?;
        let fold = Fold::new(register, states.remove(&place).unwrap_or_default());
        // Behind everything that comes before the first one.
        let behind = (part.first.0, part.first.1.saturating_sub(1));
        walks.insert(part.channel_id, Walk { part: *part, fold, behind, open: Vec::new(), done: false });
    }
    Ok(walks)
}

/// What is known before the parts' first readings, each with its part's place; nothing is for those that come first.
async fn states_before(db: &mut PgConnection, parts: &[Part]) -> sqlx::Result<HashMap<usize, State>> {
    let identities: Vec<Identity> = parts.iter().map(|part| (part.channel_id, part.first.0, part.first.1)).collect();
    let instants = || parts.iter().map(|part| part.first.0);
    let span = (instants().min().unwrap_or_default(), instants().max().unwrap_or_default());
    let before = neighbours::before(db, &identities, (0..parts.len()).collect(), span).await?;
    states(db, &identities, before).await
}

#[derive(sqlx::FromRow)]
struct Standing {
    place: i64,
    trusted_ts: DateTime<Utc>,
    trusted_event_key: i64,
    trusted_value: i64,
    decision: Option<String>,
    increment: Option<i64>,
}

/// What is known after the readings before the parts; each with its part's place.
async fn states(
    db: &mut PgConnection,
    identities: &[Identity],
    before: Vec<(usize, Level)>,
) -> sqlx::Result<HashMap<usize, State>> {
    let of = |(place, level): &(usize, Level)| (identities[*place].0, level.at, level.event_key);
    let (channels, instants, event_keys) = columns(before.iter().map(of));
    let suspicious: Vec<Standing> = sqlx::query_as(include_str!("../../../sql/registers/standing.sql"))
        .bind(channels)
        .bind(instants)
        .bind(event_keys)
        .fetch_all(db)
        .await?;
    let mut states: HashMap<usize, State> =
        before.iter().map(|(place, level)| (*place, State::after(*level, None, None))).collect();
    for row in suspicious {
        let (place, level) = before[row.place as usize - 1];
        let trusted = Level { at: row.trusted_ts, event_key: row.trusted_event_key, value: row.trusted_value };
        let decision = decision(row.decision.as_deref(), row.increment);
        states.insert(place, State::after(level, Some(trusted), decision));
    }
    Ok(states)
}

/// Lets each walk go on by a page, within two instants; false once no walk has more readings there.
async fn page(
    db: &mut PgConnection,
    walks: &mut BTreeMap<i32, Walk<'_>>,
    (from, to): (DateTime<Utc>, Option<DateTime<Utc>>),
    outcome: &mut Outcome,
) -> sqlx::Result<bool> {
    let going = walks.values().filter(|walk| !walk.done);
    let (channels, instants, event_keys) =
        columns(going.map(|walk| (walk.part.channel_id, walk.behind.0, walk.behind.1)));
    let mut rows = sqlx::query_as(include_str!("../../../sql/registers/following.sql"))
        .bind(channels)
        .bind(instants)
        .bind(event_keys)
        .bind(from)
        .bind(to)
        .bind(PAGE)
        .fetch(db);
    let mut read: HashMap<i32, i64> = HashMap::new();
    while let Some(row) = rows.try_next().await? {
        let row: Following = row;
        *read.entry(row.channel_id).or_default() += 1;
        let walk = walks.get_mut(&row.channel_id).ok_or(sqlx::Error::RowNotFound)?;
        if !walk.done {
            walk.step(&row, outcome);
        }
    }
    Ok(read.iter().any(|(channel, count)| *count == PAGE && walks.get(channel).is_some_and(|walk| !walk.done)))
}

impl Walk<'_> {
    fn step(&mut self, row: &Following, outcome: &mut Outcome) {
        let identity = (row.channel_id, row.ts, row.event_key);
        let level = Level { at: row.ts, event_key: row.event_key, value: row.value };
        let decision = decision(row.decision.as_deref(), row.decided);
        let before = self.fold.state;
        let standing = self.fold.next(level, decision);
        self.behind = (row.ts, row.event_key);
        if row.increment != standing.increment {
            outcome.increments.push((identity, standing.increment));
        }
        if row.suspicion() != standing.suspicion {
            match standing.suspicion {
                Some(suspicion) => outcome.suspicious.push((identity, row.value, suspicion)),
                None => outcome.trusted.push(identity),
            }
        }
        let after = self.fold.state;
        if before.suspect.is_some() && (after.suspect.is_none() || after.trusted != before.trusted) {
            self.end_run_after(before, Some((self.behind, standing.clears)), outcome);
        }
        let waits =
            |suspicion: &Suspicion| decision.is_none() && !suspicion.repeated && suspicion.doubt != Doubt::Reset;
        self.open.extend(standing.suspicion.filter(waits).map(|suspicion| (identity, suspicion)));
        // A reading behind all that changed, which what follows counts from as ever.
        let was_suspect = row.suspect == Some(true) && !matches!(decision, Some(Decision::Accepted { .. }));
        self.done = self.behind > self.part.last && after.suspect.is_none() && !was_suspect;
    }

    fn end_run(&mut self, end: Option<(Place, bool)>, outcome: &mut Outcome) {
        self.end_run_after(self.fold.state, end, outcome);
    }

    /// The run of suspicious readings in a state ends: at a reading that clears it up or not, or where readings end.
    fn end_run_after(&mut self, state: State, end: Option<(Place, bool)>, outcome: &mut Outcome) {
        let (Some(trusted), Some(_)) = (state.trusted, state.suspect) else {
            outcome.open.extend(self.open.drain(..));
            return;
        };
        let (before, cleared) = end.map_or((None, false), |(place, clears)| (Some(place), clears));
        let after = (trusted.at, trusted.event_key);
        outcome.runs.push(Run { channel_id: self.part.channel_id, after, before, cleared });
        if cleared {
            self.open.clear();
        }
        outcome.open.extend(self.open.drain(..));
    }
}

impl Following {
    /// Why it is suspicious, as it is stored.
    fn suspicion(&self) -> Option<Suspicion> {
        let doubt = outcome::doubt(self.kind.as_deref()?)?;
        let (at, event_key, value) = (self.trusted_ts?, self.trusted_event_key?, self.trusted_value?);
        let trusted = Level { at, event_key, value };
        let suspicion = Suspicion { doubt, trusted, repeated: self.repeated?, accepting: self.accepting? };
        self.suspect.filter(|suspect| *suspect).map(|_| suspicion)
    }
}

/// A decision as it is stored.
fn decision(decision: Option<&str>, increment: Option<i64>) -> Option<Decision> {
    match decision? {
        "accepted" => Some(Decision::Accepted { increment }),
        _ => Some(Decision::Dismissed),
    }
}
