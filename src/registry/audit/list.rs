//! `GET /v1/audit`: who changed what.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::calendar::Calendar;
use crate::http::access::Steward;
use crate::http::extract::{Query, in_order, instant_or_day};
use crate::http::page::{Page, Window};
use crate::http::problem::Result;
use crate::registry::audit::Action;
use crate::registry::calendars;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A change.
#[derive(Debug, Serialize, ToSchema)]
struct Change {
    /// Number of the entry; later ones are higher.
    #[schema(example = 4711)]
    id: i64,
    /// When the change began.
    at: DateTime<Utc>,
    /// Key of the provider that it concerns; null for none.
    #[schema(required, example = "northwind")]
    provider: Option<String>,
    #[schema(value_type = Action, example = "device.move")]
    action: String,
    /// Key of the entity that was changed, or its id where it has none.
    #[schema(example = "meter-0001")]
    entity: String,
    by: By,
    /// How it was, an object, or of a move an array of assignments; null for a creation.
    #[schema(required, value_type = Option<Value>, example = json!({"name": "Acme"}))]
    before: Option<Value>,
    /// How it is; null for a deletion.
    #[schema(required, value_type = Option<Value>, example = json!({"name": "Acme North"}))]
    after: Option<Value>,
}

/// Who made a change, and from where.
#[derive(Debug, Serialize, ToSchema)]
struct By {
    kind: ByKind,
    /// Id of the API key; null for others.
    #[schema(required)]
    key_id: Option<Uuid>,
    /// Name of that key; null for none.
    #[schema(required, example = "registry sync")]
    key_name: Option<String>,
    /// The address that the request came from, of a proxy where there is one; null for the command line.
    #[schema(required, example = "192.0.2.17")]
    address: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ByKind {
    /// A request with an API key.
    Key,
    /// A device that enrolled.
    Device,
    /// A command on the machine, on the database itself.
    CommandLine,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    at: DateTime<Utc>,
    provider: Option<String>,
    action: String,
    entity: String,
    key_id: Option<Uuid>,
    key_name: Option<String>,
    address: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
}

impl From<Row> for Change {
    fn from(row: Row) -> Self {
        let Row { id, at, provider, action, entity, key_id, key_name, address, before, after } = row;
        let kind = match (key_id, &address) {
            (Some(_), _) => ByKind::Key,
            (None, Some(_)) => ByKind::Device,
            (None, None) => ByKind::CommandLine,
        };
        Self { id, at, provider, action, entity, by: By { kind, key_id, key_name, address }, before, after }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// Only changes of this kind.
    #[param(inline, example = "device.move")]
    action: Option<Action>,
    /// Only changes of entities with this key; of an entity without one, such as a review, its id.
    #[param(example = "meter-0001")]
    entity: Option<String>,
    /// Only changes by this API key, named by its id.
    key: Option<Uuid>,
    /// Only changes from this instant on, RFC 3339; or from the beginning of a day, in the provider's time zone or, without
    /// a provider, in UTC.
    #[param(example = "2026-11-01")]
    from: Option<String>,
    /// Only changes before this instant or day.
    #[param(example = "2026-12-01")]
    to: Option<String>,
    /// Items of the page, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Who changed what
///
/// Every change of the registry, of keys, of analysts' roles, every decision about a reading and every deletion in quarantine,
/// written in the transaction that made it: with who asked, from where, and how it was before and after. Entries are never
/// changed or deleted. A request that changed nothing has none. Newest first; an admin key that names no provider sees all.
#[utoipa::path(get, path = "/v1/audit", tag = "Keys", params(ListParameters),
    responses((status = 200, description = "A page of changes", body = Page<Change>)))]
async fn list(
    State(app): State<App>,
    steward: Steward,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let behind = window.behind(|number| number.parse().ok())?;
    let calendar = match &steward.tenant {
        Some(tenant) => Calendar::new(calendars::zone(&tenant.time_zone)?),
        None => Calendar::new(chrono_tz::UTC),
    };
    let from = query.from.as_deref().map(|text| instant_or_day("from", text, &calendar)).transpose()?;
    let to = query.to.as_deref().map(|text| instant_or_day("to", text, &calendar)).transpose()?;
    in_order(from, to)?;
    let rows: Vec<Row> = sqlx::query_as(include_str!("../../../sql/audit/list.sql"))
        .bind(steward.by.provider_id)
        .bind(behind.unwrap_or(i64::MAX))
        .bind(query.action.map(Action::as_str))
        .bind(query.entity)
        .bind(query.key)
        .bind(from)
        .bind(to)
        .bind(window.rows())
        .fetch_all(&app.query)
        .await?;
    let Page { items, next } = window.page(rows, |row| row.id.to_string());
    Ok(Page { items: items.into_iter().map(Change::from).collect(), next }.respond(&uri))
}
