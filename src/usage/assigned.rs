//! Statements over assignments: what of a series is told from who owned which device when, not from readings.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::QueryAs;
use sqlx::{AssertSqlSafe, FromRow, Postgres};

use crate::usage::scope::{ChannelLabel, Owner, Rows};

/// Puts the label and the join of series into a statement over `assignment a`.
fn statement(sql: &str, rows: &Rows) -> String {
    let (label, join) = match rows {
        Rows::Owners { owner: Owner::Provider, .. } => ("NULL::text", ""),
        Rows::Owners { owner: Owner::Customer, .. } => ("s.label", OWNERS_OF_CUSTOMERS),
        Rows::Owners { owner: Owner::Group, .. } => ("s.label", OWNERS_OF_GROUPS),
        Rows::Channels { label: ChannelLabel::None, .. } => ("NULL::text", ""),
        Rows::Channels { label: ChannelLabel::Device, .. } => ("d.key::text", DEVICES),
        Rows::Channels { label: ChannelLabel::Kind, .. } => ("d.kind", DEVICES),
    };
    sql.replace("{label}", label).replace("{join}", join)
}

const OWNERS_OF_CUSTOMERS: &str =
    "JOIN unnest($2::integer[], $3::text[]) AS s (owner_id, label) ON s.owner_id = a.customer_id";
const OWNERS_OF_GROUPS: &str =
    "JOIN unnest($2::integer[], $3::text[]) AS s (owner_id, label) ON s.owner_id = a.group_id";
const DEVICES: &str = "JOIN device d ON d.device_id = a.device_id";

/// The statement for some series, with its first six parameters: the provider; owners and their labels; customers, group
/// and devices that the assignments must be of, null for any.
pub fn query<'q, T>(sql: &str, provider_id: i32, rows: &'q Rows) -> QueryAs<'q, Postgres, T, PgArguments>
where
    T: for<'r> FromRow<'r, PgRow>,
{
    let (ids, labels, filter) = match rows {
        Rows::Owners { ids, labels, .. } => (Some(ids), Some(labels), None),
        Rows::Channels { filter, .. } => (None, None, Some(filter)),
    };
    sqlx::query_as(AssertSqlSafe(statement(sql, rows)))
        .bind(provider_id)
        .bind(ids)
        .bind(labels)
        .bind(filter.and_then(|filter| filter.customers.as_ref()))
        .bind(filter.and_then(|filter| filter.group))
        .bind(filter.and_then(|filter| filter.devices.as_ref()))
}
