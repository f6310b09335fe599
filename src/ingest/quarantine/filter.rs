//! Which readings in quarantine are meant.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::core::calendar::Calendar;
use crate::core::entity::Ref;
use crate::core::reading::Code;
use crate::http::access::Tenant;
use crate::http::extract::{in_order, instant_or_day};
use crate::http::page::Window;
use crate::http::problem::Result;
use crate::registry::calendars;

/// Why a reading is in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// There is no such device yet.
    UnknownDevice,
    /// There is no such metric yet.
    UnknownMetric,
    /// The device belonged to nobody at that instant.
    DeviceUnassigned,
    /// The device registered itself, and waits for approval.
    DeviceUnapproved,
    /// Tried again, the value is none that the metric can have.
    InvalidValue,
    /// Tried again, the value is too large for the metric's decimals.
    OutOfRange,
    /// Tried again, the value has more decimals than the metric, which is strict.
    TooManyDecimals,
    /// Tried again, readings of that time are no longer kept.
    BeyondRetention,
    /// Tried again, another value was stored meanwhile, which stands.
    ValueDiffers,
    /// Tried again, its id cannot be told from that of another reading.
    IdDiffers,
}

/// The readings that a caller means; all where nothing is given.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters")]
pub struct FilterParameters {
    /// Only those that are there for this reason.
    #[param(inline, value_type = Option<Why>, example = "unknown_device")]
    code: Option<Why>,
    /// Only those of the device of this name: the key or the id, as they were sent.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "meter-18")]
    device: Option<Ref>,
    /// Only those of the metric of this name: the key or the id, as they were sent.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "energy")]
    metric: Option<Ref>,
    /// Only readings from this instant on, RFC 3339; or from the beginning of a day in the provider's time zone.
    #[param(example = "2026-11-01")]
    from: Option<String>,
    /// Only readings before this instant or day.
    #[param(example = "2026-12-01")]
    to: Option<String>,
}

/// Where a caller goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameter")]
pub struct CursorParameter {
    /// `next` of the answer before.
    cursor: Option<String>,
}

/// What the operations are asked; which of it an operation has, its documentation says, and others are refused before.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    code: Option<Why>,
    device: Option<Ref>,
    metric: Option<Ref>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// As the database is asked.
#[derive(Debug, Clone)]
pub struct Filter {
    pub code: Option<Code>,
    pub device: Option<String>,
    pub metric: Option<String>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

impl Why {
    fn code(self) -> Code {
        match self {
            Self::UnknownDevice => Code::UnknownDevice,
            Self::UnknownMetric => Code::UnknownMetric,
            Self::DeviceUnassigned => Code::DeviceUnassigned,
            Self::DeviceUnapproved => Code::DeviceUnapproved,
            Self::InvalidValue => Code::InvalidValue,
            Self::OutOfRange => Code::OutOfRange,
            Self::TooManyDecimals => Code::TooManyDecimals,
            Self::BeyondRetention => Code::BeyondRetention,
            Self::ValueDiffers => Code::ValueDiffers,
            Self::IdDiffers => Code::IdDiffers,
        }
    }
}

impl Asked {
    /// The page, and the number of the reading behind which it begins.
    pub fn window(&self) -> Result<(Window, i64)> {
        let window = Window::new(self.limit.as_deref(), self.cursor.as_deref())?;
        let behind = window.behind(|number| number.parse().ok())?;
        Ok((window, behind.unwrap_or(0)))
    }

    pub fn filter(self, tenant: &Tenant) -> Result<Filter> {
        let calendar = Calendar::new(calendars::zone(&tenant.time_zone)?);
        let from = self.from.as_deref().map(|text| instant_or_day("from", text, &calendar)).transpose()?;
        let to = self.to.as_deref().map(|text| instant_or_day("to", text, &calendar)).transpose()?;
        in_order(from, to)?;
        let name = |name: Option<Ref>| name.map(|name| name.to_string());
        Ok(Filter { code: self.code.map(Why::code), device: name(self.device), metric: name(self.metric), from, to })
    }
}

impl Filter {
    /// What is given of it, for the audit.
    pub fn shown(&self) -> Map<String, Value> {
        let instant = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let given = [
            ("code", self.code.map(|code| code.as_str().to_owned())),
            ("device", self.device.clone()),
            ("metric", self.metric.clone()),
            ("from", self.from.map(instant)),
            ("to", self.to.map(instant)),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
    }
}
