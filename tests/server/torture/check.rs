//! What must hold of what is stored, whatever happened: judged by what the clients wrote down.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::DateTime;
use chrono_tz::Tz;

use super::load::{CUSTOMERS, DEVICES, Identity, Reading, decimal};
use super::oracle::{Outcome, Request, Verdict};
use super::stored::{Row, Stored};

/// What was compared.
#[derive(Debug, Default, Clone, Copy)]
pub struct Compared {
    pub requests: usize,
    pub acknowledged: usize,
    pub unanswered: usize,
    /// Of those without a good answer, those that are there all the same.
    pub whole: usize,
    pub stored: usize,
}

/// Acknowledged is a subset of stored; what is stored was sent; of what was not acknowledged, each request is there whole or
/// not at all; owners, days and increments are what the readings say.
pub fn compare(requests: &[Request], stored: &Stored) -> Result<Compared, String> {
    let mut compared = Compared { requests: requests.len(), stored: stored.rows.len(), ..Compared::default() };
    was_sent(requests, stored)?;
    let senders = senders(requests);
    for request in requests {
        match &request.outcome {
            Outcome::Acknowledged(verdicts) => {
                compared.acknowledged += 1;
                for (reading, verdict) in request.readings.iter().zip(verdicts) {
                    keeps_word(reading, *verdict, stored).map_err(|what| format!("{}: {what}", request.name))?;
                }
            }
            Outcome::Refused(_) | Outcome::Unanswered => {
                compared.unanswered += 1;
                let alone = request.readings.iter().filter(|reading| senders[&reading.identity()] == 1);
                let there: HashSet<bool> = alone.map(|reading| is_there(reading, stored)).collect();
                if there.len() > 1 {
                    return Err(format!("{} ({:?}) is there in part", request.name, request.outcome));
                }
                compared.whole += usize::from(there.contains(&true));
            }
        }
    }
    stamps(stored)?;
    increments(stored)?;
    Ok(compared)
}

/// Everything that is stored was sent, with this value.
fn was_sent(requests: &[Request], stored: &Stored) -> Result<(), String> {
    let mut sent: HashMap<Identity, HashSet<i64>> = HashMap::new();
    for reading in requests.iter().flat_map(|request| &request.readings) {
        sent.entry(reading.identity()).or_default().insert(reading.value);
    }
    for (identity, row) in &stored.rows {
        if !sent.get(identity).is_some_and(|values| values.contains(&row.value)) {
            return Err(format!("stored, but never sent: {row:?}"));
        }
    }
    for (identity, values) in &stored.quarantine {
        let known: HashSet<String> = sent.get(identity).into_iter().flatten().map(|value| decimal(*value)).collect();
        if let Some(value) = values.iter().find(|value| !known.contains(*value)) {
            return Err(format!("in quarantine, but never sent: {identity:?} {value}"));
        }
    }
    Ok(())
}

/// How many requests had each reading; twice in one is once.
fn senders(requests: &[Request]) -> HashMap<Identity, usize> {
    let mut senders = HashMap::new();
    for request in requests {
        let distinct: HashSet<Identity> = request.readings.iter().map(Reading::identity).collect();
        distinct.into_iter().for_each(|identity| *senders.entry(identity).or_default() += 1);
    }
    senders
}

fn is_there(reading: &Reading, stored: &Stored) -> bool {
    let identity = reading.identity();
    stored.rows.contains_key(&identity) || stored.quarantine.contains_key(&identity)
}

/// What is stored is as this verdict said.
fn keeps_word(reading: &Reading, verdict: Verdict, stored: &Stored) -> Result<(), String> {
    let row = stored.rows.get(&reading.identity());
    let keeps = match verdict {
        // The first value stands, so it is this one for ever.
        Verdict::Stored | Verdict::Duplicate => row.is_some_and(|row| row.value == reading.value),
        Verdict::Conflict => row.is_some_and(|row| row.value != reading.value),
        Verdict::Quarantined => {
            let waits = stored.quarantine.get(&reading.identity());
            !reading.is_known() && (row.is_some() || waits.is_some_and(|all| all.contains(&decimal(reading.value))))
        }
        // Nothing that is sent deserves it.
        Verdict::Rejected => false,
    };
    if keeps { Ok(()) } else { Err(format!("answered {verdict:?}, and it is not so: {reading:?}, stored {row:?}")) }
}

/// Each has the owner of its device, and the day that it was there.
fn stamps(stored: &Stored) -> Result<(), String> {
    let owners: HashMap<&str, &str> = DEVICES.into_iter().collect();
    let zones: HashMap<&str, Tz> =
        CUSTOMERS.into_iter().map(|(key, _, zone)| (key, zone.parse().expect("a time zone"))).collect();
    for row in stored.rows.values() {
        // What was registered later has its first customer.
        let owner = owners.get(row.device.as_str()).copied().unwrap_or(CUSTOMERS[0].0);
        let at = DateTime::from_timestamp_millis(row.at).expect("an instant");
        let day = at.with_timezone(&zones[owner]).date_naive();
        if (row.customer.as_str(), row.billing_day) != (owner, day) {
            return Err(format!("should be {owner}'s of {day}: {row:?}"));
        }
    }
    Ok(())
}

/// A delta adds its value, a register what it rose since the reading before.
fn increments(stored: &Stored) -> Result<(), String> {
    let mut channels: BTreeMap<(&str, &str), BTreeMap<i64, &Row>> = BTreeMap::new();
    for row in stored.rows.values() {
        channels.entry((&row.device, &row.metric)).or_default().insert(row.at, row);
    }
    for ((_, metric), rows) in channels {
        let mut before = None;
        for row in rows.values() {
            let should = if metric == "energy" { row.value } else { row.value - before.unwrap_or(row.value) };
            if row.increment != should {
                return Err(format!("should add {should}: {row:?}"));
            }
            before = Some(row.value);
        }
    }
    Ok(())
}
