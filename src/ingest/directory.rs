//! What a server remembers of providers' registries, so that storing readings asks the database only for what is new.
//!
//! It cannot be out of date: each transaction that stores readings holds the provider's registry as it is and learns its
//! version with that, and what is remembered of another version is forgotten.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::core::entity::Ref;
use crate::ingest::chunks::Chunks;
use crate::ingest::known::{Assignment, Metric};
use crate::ingest::resolve::Row;
use crate::keys::Part;

/// Most devices that are remembered of a provider; one more, and all of it is forgotten.
const MOST_DEVICES: usize = 1_000_000;

/// All providers', and what is remembered beside. Who stores readings of one holds its lock while the readings are resolved,
/// alone where something has to be learned.
#[derive(Default)]
pub struct Directory {
    providers: Mutex<HashMap<i32, Arc<tokio::sync::RwLock<Remembered>>>>,
    pub chunks: Chunks,
}

/// One provider's, as of a version of its registry.
#[derive(Default)]
pub struct Remembered {
    version: i64,
    pub metrics: HashMap<Ref, Metric>,
    pub devices: HashMap<Ref, Device>,
    /// Of customers, themselves and all above them.
    pub above: Mutex<HashMap<i32, Vec<i32>>>,
    /// Their numbers are our own, and need no hash that withstands an attacker.
    plain: HashMap<(i32, i32), Channel, foldhash::fast::RandomState>,
    with_dimensions: HashMap<(i32, i32, BTreeMap<String, String>), Channel>,
}

/// A device and all its owners ever.
pub struct Device {
    pub device_id: i32,
    pub assignments: Box<[Assignment]>,
}

impl Device {
    /// Whether its readings of an instant are of a part of its provider.
    pub fn is_of(&self, part: &Part, at: DateTime<Utc>) -> bool {
        let owner = || self.assignments.iter().find(|assignment| assignment.covers(at)).map(|found| found.owner);
        match part {
            Part::All => true,
            Part::Subtree(subtree) => owner().is_some_and(|owner| subtree.has(owner.customer_id)),
            Part::Group(group_id) => owner().is_some_and(|owner| owner.group_id == *group_id),
            Part::Device(device_id) => self.device_id == *device_id,
            Part::Applicant(_) => false,
        }
    }
}

/// A channel as readings name it: device, metric, dimensions.
pub type Name<'a> = (i32, i32, &'a BTreeMap<String, String>);

/// What is known of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    pub channel_id: i32,
    /// Its earliest reading.
    pub first_ts: Option<DateTime<Utc>>,
    /// No reading that this server stored or met is later. Others may have stored later ones.
    pub last_ts: Option<DateTime<Utc>>,
}

impl Channel {
    /// What stored rows, sorted by time, tell of their channel.
    pub fn of(rows: &[Row<'_>]) -> Self {
        let (first, last) = (&rows[0], &rows[rows.len() - 1]);
        Self { channel_id: first.channel_id, first_ts: Some(first.raw.at), last_ts: Some(last.raw.at) }
    }
}

impl Directory {
    pub fn provider(&self, provider_id: i32) -> Arc<tokio::sync::RwLock<Remembered>> {
        let mut providers = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        providers.entry(provider_id).or_default().clone()
    }
}

impl Remembered {
    pub fn is_of(&self, version: i64) -> bool {
        self.version == version
    }

    /// Forgets what is of another version.
    pub fn as_of(&mut self, version: i64) {
        if self.version != version || self.devices.len() > MOST_DEVICES {
            *self = Self { version, ..Self::default() };
        }
    }

    pub fn channel(&self, name: Name<'_>) -> Option<Channel> {
        let (device, metric, dimensions) = name;
        if dimensions.is_empty() {
            self.plain.get(&(device, metric)).copied()
        } else {
            // A key is borrowed whole or not at all; few channels have dimensions.
            self.with_dimensions.get(&(device, metric, dimensions.clone())).copied()
        }
    }

    /// Remembers channels that are committed, if they were learned in this version.
    pub fn learn<'a>(&mut self, version: i64, channels: impl Iterator<Item = (Name<'a>, Channel)>) {
        if self.version != version {
            return;
        }
        for ((device, metric, dimensions), channel) in channels {
            let known = if dimensions.is_empty() {
                self.plain.entry((device, metric)).or_insert(channel)
            } else {
                self.with_dimensions.entry((device, metric, dimensions.clone())).or_insert(channel)
            };
            known.first_ts = [known.first_ts, channel.first_ts].into_iter().flatten().min();
            known.last_ts = known.last_ts.max(channel.last_ts);
        }
    }
}
