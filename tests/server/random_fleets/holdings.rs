//! The readings as they should be stored: each under its channel, owner and day, with its increment.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sha2::{Digest, Sha256};

use super::calendar::{Instant, local_day};
use super::fleet::{Dimensions, Kind, Owner, Provider};
use crate::naive_registers::{Decision, Doubt};

/// A stream of readings: numbers of device and metric, dimensions.
pub type Channel = (usize, usize, Dimensions);

/// Of each channel its readings by instant and event key.
pub type Readings = BTreeMap<Channel, BTreeMap<(Instant, i64), Reading>>;

#[derive(Debug, Clone)]
pub struct Reading {
    pub id: Option<String>,
    pub value: i64,
    pub increment: i64,
    pub owner: Owner,
    pub day: NaiveDate,
    /// Of a register: what somebody decided, and what is wrong with it.
    pub decision: Option<Decision>,
    pub doubt: Option<Doubt>,
}

/// A reading as it is sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// None: one that nobody knows.
    pub device: Option<usize>,
    pub metric: usize,
    pub dimensions: Dimensions,
    pub at: Instant,
    pub id: Option<String>,
    /// Scaled; none for what is no number.
    pub value: Option<i64>,
    /// The decimal as it is written.
    pub text: String,
}

/// 0 without an event id, else the first 64 bits of its SHA-256.
pub fn event_key(id: Option<&str>) -> i64 {
    let first = |digest: &[u8]| i64::from_be_bytes(digest[..8].try_into().expect("eight bytes"));
    id.map_or(0, |id| first(&Sha256::digest(id.as_bytes())))
}

impl Provider {
    /// Stores a reading; tells its status and code.
    pub fn take(&mut self, sent: &Sent) -> (&'static str, &'static str) {
        let Some(value) = sent.value else { return ("rejected", "invalid_value") };
        let Some(device) = sent.device else { return ("quarantined", "unknown_device") };
        let Some(owner) = self.devices[device].owner_at(sent.at) else { return ("quarantined", "device_unassigned") };
        let day = local_day(sent.at, self.zone_of(owner.0));
        let channel = self.readings.entry((device, sent.metric, sent.dimensions.clone())).or_default();
        let identity = (sent.at, event_key(sent.id.as_deref()));
        match channel.get(&identity) {
            Some(there) if there.value == value => ("duplicate", ""),
            Some(_) => ("conflict", "value_differs"),
            None => {
                let first = self.first.entry((device, sent.metric, sent.dimensions.clone())).or_insert(sent.at);
                *first = sent.at.min(*first);
                let increment = if self.metrics[sent.metric].kind == Kind::Delta { value } else { 0 };
                let id = sent.id.clone();
                channel.insert(identity, Reading { id, value, increment, owner, day, decision: None, doubt: None });
                ("stored", "")
            }
        }
    }

    /// The device belongs to an owner from an instant on, and so do its readings, under the owner's days.
    pub fn move_device(&mut self, device: usize, owner: Owner, at: Instant) {
        self.devices[device].give_to(owner, at);
        let zone = self.zone_of(owner.0);
        let own = self.readings.iter_mut().filter(|((of, _, _), _)| *of == device);
        for ((reading_at, _), reading) in own.flat_map(|(_, readings)| readings).filter(|((of, _), _)| *of >= at) {
            (reading.owner, reading.day) = (owner, local_day(*reading_at, zone));
        }
    }

    /// All readings with their channels and instants.
    pub fn all_readings(&self) -> impl Iterator<Item = (&Channel, Instant, &Reading)> {
        let of_channel = self.readings.iter();
        of_channel
            .flat_map(|(channel, readings)| readings.iter().map(move |((at, _), reading)| (channel, *at, reading)))
    }
}
