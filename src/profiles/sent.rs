//! A profile as it is sent, checked against the metrics that it names.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::core::entity::Ref;
use crate::core::interval::Interval;
use crate::core::profile::{BadFactor, Factor, MAX_FIELDS, conversion};
use crate::core::reading::field::dimensions;
use crate::http::access::Tenant;
use crate::http::extract::AtMost;
use crate::http::problem::{Problem, Result};
use crate::profiles::definition::{Definition, Field, Format, Match, Time};
use crate::registry::metrics::{DecimalText, MetricKind};
use crate::registry::{check_name, check_text};

/// Most bytes of a device's settings, as JSON.
pub const MAX_SETTINGS: usize = 16 * 1024;

/// Most bytes of a field's dimensions, as JSON: far more than dimensions may have.
const MAX_DIMENSIONS: usize = 16 * 1024;

/// What makes a profile.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutProfile {
    /// Name for people, 1 to 256 characters.
    #[schema(example = "Smart meter with a P1 port", min_length = 1, max_length = 256)]
    pub name: String,
    /// Which devices it holds for without being named; none when left out.
    #[serde(rename = "match")]
    pub recognises: Option<Match>,
    pub format: Format,
    /// JSON only: pointer to the array of which each element is a record with `time` and `fields`. When left out, the
    /// payload is one record.
    #[schema(max_length = 256, example = "/samples")]
    pub records: Option<String>,
    /// JSON and CSV: where a record's time is. When left out, the time is that of `?at=`, or of the arrival.
    pub time: Option<Time>,
    /// 1 to 64.
    #[schema(value_type = Vec<PutField>, min_items = 1, max_items = 64)]
    pub fields: AtMost<PutField, MAX_FIELDS>,
    /// How often devices are to report, as they are told: a number of seconds or a text such as `15m`, 1 second to 31 days.
    #[schema(value_type = Option<String>, example = "15m")]
    pub interval: Option<Interval>,
    /// What else devices are told: any object, at most 16 KiB.
    #[schema(value_type = Option<Object>, example = json!({"display": "off"}))]
    pub settings: Option<Box<RawValue>>,
}

/// A value of payloads, and what it becomes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PutProfileField)]
pub struct PutField {
    /// P1: the OBIS code, such as `1-0:1.8.1`, or of any M-Bus channel `0-n:24.2.1`; JSON: a pointer (RFC 6901), such as
    /// `/meters/0/energy`; CSV: the column.
    #[schema(example = "1-0:1.8.1")]
    from: String,
    /// Key or id of the metric.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "energy")]
    metric: Ref,
    /// The metric's kind, to be certain that it is the right one.
    kind: Option<MetricKind>,
    /// The unit that payloads have the value in. It is converted into the metric's, exactly; a P1 telegram that says
    /// another one is refused. When left out, nothing is converted.
    #[schema(example = "kWh", min_length = 1, max_length = 32)]
    unit: Option<String>,
    /// What the value is multiplied by besides, exact: `"40"` for a current transformer, `"0.01"` for what is sent in
    /// hundredths. A number or a string; 1 when left out.
    #[schema(value_type = Option<String>, example = "1")]
    multiplier: Option<DecimalText>,
    /// P1, with a code of any M-Bus channel: the type of device that the channel has, 3 for gas, 4 for heat, 7 for water.
    #[schema(example = json!(null))]
    device_type: Option<u8>,
    /// Whether payloads may be without it; otherwise its absence is a rejected reading. False when left out.
    #[schema(default = false)]
    optional: Option<bool>,
    /// Dimensions of its readings; none when left out.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>, example = json!({"tariff": "low"}))]
    dimensions: Option<Box<RawValue>>,
}

/// A metric that a field names.
#[derive(sqlx::FromRow)]
struct Metric {
    id: Uuid,
    key: String,
    unit: String,
    kind: MetricKind,
}

impl PutProfile {
    /// Checks what does not depend on what is there.
    fn check(&self) -> Result<()> {
        check_name(&self.name)?;
        if self.format != Format::Json && self.records.is_some() {
            return Err(Problem::field("/records", "only JSON has records in an array"));
        }
        if self.format == Format::P1 && self.time.is_some() {
            return Err(Problem::field("/time", "P1 telegrams have their time in a line of its own"));
        }
        Ok(())
    }

    /// What the profile says, with the metrics of the provider that it names.
    pub async fn definition(self, db: &mut PgConnection, tenant: &Tenant) -> Result<Definition> {
        self.check()?;
        let settings = self.settings.as_deref().map(read_settings).transpose()?.unwrap_or_default();
        let sent = match self.fields {
            AtMost::These(fields) if !fields.is_empty() => fields,
            _ => return Err(Problem::field("/fields", format!("1 to {MAX_FIELDS} fields"))),
        };
        let names = sent.iter().map(|field| &field.metric);
        let found: Vec<Metric> = tenant
            .query_as(include_str!("../../sql/profiles/metrics.sql"))
            .bind(names.clone().filter_map(Ref::key).collect::<Vec<_>>())
            .bind(names.filter_map(Ref::id).collect::<Vec<_>>())
            .fetch_all(db)
            .await?;
        let by_key = found.iter().map(|metric| (metric.key.clone(), metric));
        let by_id = found.iter().map(|metric| (metric.id.to_string(), metric));
        let metrics: HashMap<_, _> = by_key.chain(by_id).collect();
        let mut fields: Vec<Field> = Vec::with_capacity(sent.len());
        for (place, field) in sent.into_iter().enumerate() {
            let at = |name: &str| format!("/fields/{place}/{name}");
            let metric = metrics.get(&field.metric.to_string());
            let metric = metric.ok_or_else(|| Problem::no_such("metric", &field.metric, Some(&at("metric"))))?;
            let field = field.checked(metric, &at)?;
            let same = |other: &Field| other.metric == field.metric && other.dimensions == field.dimensions;
            if let Some(before) = fields.iter().position(same) {
                let detail = format!("the same metric and dimensions as in /fields/{before}");
                return Err(Problem::field(&at("metric"), detail));
            }
            fields.push(field);
        }
        let definition = Definition {
            recognises: self.recognises,
            format: self.format,
            records: self.records,
            time: self.time,
            fields,
            interval: self.interval,
            settings,
        };
        definition.patterns()?;
        definition.profile().map(|_| definition)
    }
}

impl PutField {
    fn checked(self, metric: &Metric, at: &dyn Fn(&str) -> String) -> Result<Field> {
        if let Some(kind) = self.kind.filter(|kind| *kind != metric.kind) {
            let [said, is] = [kind, metric.kind].map(|kind| format!("{kind:?}").to_lowercase());
            let detail = format!("{said}, but the metric {} is a {is}", metric.key);
            return Err(Problem::field(&at("kind"), detail));
        }
        let of_unit = match &self.unit {
            Some(unit) => {
                check_text(&at("unit"), unit, 1..=32)?;
                let bad = |why| format!("{unit} and {:?} of the metric {}: {why}", metric.unit, metric.key);
                conversion(unit, &metric.unit).map_err(|why| Problem::field(&at("unit"), bad(why)))?
            }
            None => Factor::ONE,
        };
        let bad = |why: BadFactor| Problem::field(&at("multiplier"), why.to_string());
        let multiplier = self.multiplier.map_or(Ok(Factor::ONE), |text| text.as_str().parse()).map_err(bad)?;
        let factor = of_unit.and(multiplier).map_err(bad)?.to_string();
        let of_field = self.dimensions.as_deref().map(|sent| within(&at("dimensions"), sent, MAX_DIMENSIONS));
        let dimensions = dimensions(of_field.transpose()?.unwrap_or_default())
            .map_err(|why| Problem::field(&at("dimensions"), why.detail))?;
        Ok(Field {
            from: self.from,
            metric: metric.key.clone(),
            kind: metric.kind,
            unit: self.unit,
            metric_unit: metric.unit.clone(),
            factor,
            device_type: self.device_type,
            optional: self.optional.unwrap_or(false),
            dimensions,
        })
    }
}

/// Settings as they were sent. The database, which keeps them, has no text with a NUL in it.
pub fn read_settings(sent: &RawValue) -> Result<Map<String, Value>> {
    let settings: Map<String, Value> = within("/settings", sent, MAX_SETTINGS)?;
    if settings.iter().any(|(name, value)| name.contains('\0') || has_nul(value)) {
        return Err(Problem::field("/settings", "must not hold the character U+0000"));
    }
    Ok(settings)
}

/// What is sent at a place, read only where it is not too long: JSON takes many times its length once it is read.
fn within<T: DeserializeOwned>(at: &str, sent: &RawValue, most: usize) -> Result<T> {
    let text = sent.get();
    if text.len() > most {
        return Err(Problem::field(at, format!("{} bytes as JSON; at most {most} are allowed", text.len())));
    }
    serde_json::from_str(text).map_err(|why| Problem::field(at, why.to_string()))
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
