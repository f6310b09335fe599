//! What a profile says, as it is kept and shown: with what followed from the metrics that it names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::core::interval::Interval;
use crate::core::pointer::Pointer;
use crate::core::profile::{Clock, P1Register, Pattern, Profile, Target};
use crate::core::telegram::Register;
use crate::http::problem::{Code, Problem, Result};
use crate::registry::check_text;
use crate::registry::metrics::MetricKind;

/// Which devices a profile holds for. In a pattern `*` stands for any text and `?` for one character.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProfileMatch)]
pub struct Match {
    /// Pattern of the model, 1 to 128 characters.
    #[schema(example = "MB-05?", min_length = 1, max_length = 128)]
    pub model: String,
    /// Pattern of the firmware, 1 to 128 characters; any firmware, also an unknown one, when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "5.*", min_length = 1, max_length = 128)]
    pub firmware: Option<String>,
}

/// The language of payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ProfileFormat)]
pub enum Format {
    /// Telegrams of a smart meter's P1 port, DSMR 2.2 to 5.
    P1,
    Json,
    /// A header row that names the columns, one record a line, separated by commas.
    Csv,
}

/// Where a record's time is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProfileTime)]
pub struct Time {
    /// JSON: a pointer (RFC 6901); CSV: the column.
    #[schema(example = "/t")]
    from: String,
    format: TimeFormat,
}

/// How it is written.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProfileTimeFormat)]
enum TimeFormat {
    /// With an offset.
    Rfc3339,
    /// Seconds since 1970, with or without decimals.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
}

/// What a profile says, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = ProfileDefinition)]
pub struct Definition {
    /// Which devices it holds for without being named; null for none.
    #[serde(rename = "match")]
    #[schema(required)]
    pub recognises: Option<Match>,
    pub format: Format,
    /// JSON: pointer to the array of records; null where the payload is one record.
    #[schema(required, example = json!(null))]
    pub records: Option<String>,
    /// JSON and CSV: where a record's time is; null where payloads tell none, and for P1, where it is always in one place.
    #[schema(required, example = json!(null))]
    pub time: Option<Time>,
    pub fields: Vec<Field>,
    /// How often devices are to report; null where that is left to them.
    #[schema(required, value_type = Option<String>, example = "15m")]
    pub interval: Option<Interval>,
    /// What else devices are told.
    #[schema(value_type = Object, example = json!({"display": "off"}))]
    pub settings: Map<String, Value>,
}

/// A value of payloads, and what it becomes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = ProfileField)]
pub struct Field {
    /// P1: the OBIS code; JSON: a pointer; CSV: the column.
    #[schema(example = "1-0:1.8.1")]
    pub from: String,
    /// Key of the metric.
    #[schema(example = "energy")]
    pub metric: String,
    /// The metric's kind.
    pub kind: MetricKind,
    /// The unit that payloads have it in; null where nothing is converted.
    #[schema(required, example = "kWh")]
    pub unit: Option<String>,
    /// The unit that the metric had when this version was made.
    #[schema(example = "kWh")]
    pub metric_unit: String,
    /// What the value is multiplied by, unit and multiplier together.
    #[schema(example = "1")]
    pub factor: String,
    /// P1: the type of device of its M-Bus channel; null for a code of one channel.
    #[schema(required, example = json!(null))]
    pub device_type: Option<u8>,
    /// Whether payloads may be without it.
    pub optional: bool,
    #[schema(example = json!({"tariff": "low"}))]
    pub dimensions: BTreeMap<String, String>,
}

impl Definition {
    /// The patterns of model and firmware.
    pub fn patterns(&self) -> Result<Option<(Pattern, Option<Pattern>)>> {
        let Some(Match { model, firmware }) = &self.recognises else { return Ok(None) };
        let pattern = |name: &str, text: &String| {
            text.parse().map_err(|why| Problem::field(&format!("/match/{name}"), format!("{why}")))
        };
        let firmware = firmware.as_ref().map(|text| pattern("firmware", text)).transpose()?;
        Ok(Some((pattern("model", model)?, firmware)))
    }

    /// What reads payloads. What is kept was checked when it was sent.
    pub fn profile(&self) -> Result<Profile> {
        match self.format {
            Format::P1 => Ok(Profile::P1 { fields: self.fields(Field::register)? }),
            Format::Json => {
                let records = self.records.as_deref().map(|text| pointer("/records", text)).transpose()?;
                let time = self.time(pointer)?;
                let fields = self.fields(|field, at| pointer(at, &field.from))?;
                Ok(Profile::Json { records, time, fields })
            }
            Format::Csv => {
                let time = self.time(column)?;
                let fields = self.fields(|field, at| column(at, &field.from))?;
                Ok(Profile::Csv { time, fields })
            }
        }
    }

    fn time<P>(&self, place: impl Fn(&str, &str) -> Result<P>) -> Result<Option<(P, Clock)>> {
        let of = |time: &Time| Ok((place("/time/from", &time.from)?, time.clock()));
        self.time.as_ref().map(of).transpose()
    }

    fn fields<P>(&self, place: impl Fn(&Field, &str) -> Result<P>) -> Result<Vec<(P, Target)>> {
        let of =
            |(index, field): (usize, &Field)| Ok((place(field, &format!("/fields/{index}/from"))?, field.target()?));
        self.fields.iter().enumerate().map(of).collect()
    }
}

impl Time {
    fn clock(&self) -> Clock {
        match self.format {
            TimeFormat::Rfc3339 => Clock::Rfc3339,
            TimeFormat::Unix => Clock::UnixSeconds,
            TimeFormat::UnixMs => Clock::UnixMilliseconds,
        }
    }
}

impl Field {
    fn register(&self, at: &str) -> Result<P1Register> {
        let register: Register =
            self.from.parse().map_err(|why| Problem::field(at, format!("{:?}: {why}", self.from)))?;
        match (register, self.device_type) {
            (Register::AnyChannel(_), None) => {
                Err(Problem::field(at, "say with device_type what is on the M-Bus channel: 3 for gas, 7 for water"))
            }
            (Register::One(_), Some(_)) => {
                Err(Problem::field(at, "device_type goes with a code of any channel, such as 0-n:24.2.1"))
            }
            (register, device_type) => Ok(P1Register { register, device_type }),
        }
    }

    fn target(&self) -> Result<Target> {
        Ok(Target {
            metric: self.metric.parse().map_err(Problem::internal)?,
            factor: self.factor.parse().map_err(Problem::internal)?,
            unit: self.unit.clone(),
            needs_time: self.kind == MetricKind::Delta,
            optional: self.optional,
            dimensions: self.dimensions.clone(),
        })
    }
}

fn pointer(at: &str, text: &str) -> Result<Pointer> {
    text.parse().map_err(|why| Problem::field(at, format!("{text:?}: {why}")))
}

fn column(at: &str, name: &str) -> Result<String> {
    check_text(at, name, 1..=256)?;
    Ok(name.to_owned())
}

/// The device has no profile, and what it sends cannot be understood.
pub fn no_profile(device: &str) -> Problem {
    let hint = "name one in PUT /v1/devices/{key}, or give the device a model and firmware that one recognises";
    Problem::new(Code::NoProfile, format!("no profile holds for device {device}; {hint}"))
}
