//! `/v1/alerts`: what providers want to be told.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json as JsonColumn;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::entity::Ref;
use crate::events;
use crate::http::access::{Reader, Tenant, Writer};
use crate::http::extract::{Body, NoParameters, PathRef, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::registry::audit::{self, Action};
use crate::registry::{check_name, lookup, put_status};
use crate::usage::{self, ScopeName, scope_name};

use super::history::{AlertState, Reason, Subject, Told};
use super::put::PutAlert;
use super::rule::{Rule, Said};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, get, delete))
}

/// Most alerts of a provider.
pub const MOST_ALERTS: i64 = 10_000;

/// What a provider wants to be told of its figures, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alert {
    #[serde(skip)]
    pub alert_id: i32,
    /// The customer that it concerns.
    #[serde(skip)]
    concerns: Option<i32>,
    /// UUIDv7 given by the server.
    id: Uuid,
    /// Key chosen by the provider.
    #[schema(example = "acme-day")]
    key: String,
    #[schema(example = "Acme uses too much")]
    name: String,
    /// Whose figures: as in usage.
    #[schema(example = "customer:acme")]
    scope: String,
    #[serde(flatten)]
    rule: Rule,
    state: AlertState,
    /// Since when it has this state; null while it is `ok`.
    #[schema(required)]
    since: Option<DateTime<Utc>>,
    /// What was last told of it; null before it first fired.
    #[schema(required, value_type = Option<Told>)]
    last: Option<Told>,
    created_at: DateTime<Utc>,
    /// When somebody last changed it.
    updated_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    alert_id: i32,
    concerns: Option<i32>,
    id: Uuid,
    key: String,
    name: String,
    scope: String,
    rule: JsonColumn<Rule>,
    state: AlertState,
    changed_at: Option<DateTime<Utc>>,
    told: Option<JsonColumn<Told>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Alert {
    fn from(row: Row) -> Self {
        Self {
            alert_id: row.alert_id,
            concerns: row.concerns,
            id: row.id,
            key: row.key,
            name: row.name,
            scope: row.scope,
            rule: row.rule.0,
            state: row.state,
            since: row.changed_at,
            last: row.told.map(|told| told.0),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Whose figures, by the numbers inside the database; none of them for the provider's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
struct Scope {
    customer_id: Option<i32>,
    group_id: Option<i32>,
    device_id: Option<i32>,
}

/// An alert that is there, kept as it is.
#[derive(sqlx::FromRow)]
struct Locked {
    alert_id: i32,
    #[sqlx(flatten)]
    scope: Scope,
    rule: JsonColumn<Rule>,
    state: AlertState,
}

/// Make or replace an alert
///
/// A **threshold** compares a statistic of each hour, day or month with a number. `above` is judged from the start of the
/// period on, with the readings that there are; `below` once the period has ended and everything recorded until then is in
/// its figure. A **quota** tells each step of a limit once a period, when the figure reaches it.
///
/// **Silence** fires when a device has no reading of the last while, or more than a share of the devices that are in the scope
/// now; a device that came into it within that while is not silent. **Review** fires while readings of registers in the scope
/// are under review. **Completeness** compares what was received of a finished day with what was expected.
///
/// A figure is the one that `GET /v1/usage` tells. While an alert fires it is not told again, but for further steps of a quota. It resolves when
/// the figure comes back, or when a later period is judged that is not beyond; a quota's, when the next period begins. Late
/// readings are judged for hours of the last two days, days of the last 35, and this month and the two before it: then an ended
/// period fires or resolves, which is told as `late`. With another scope or another rule an alert begins anew, and periods that ended before
/// are not judged.
#[utoipa::path(put, path = "/v1/alerts/{key}", tag = "Alerts",
    params(("key" = String, Path, description = "Key or id of the alert", example = "acme-day")),
    request_body = PutAlert,
    responses(
        (status = 200, description = "Replaced", body = Alert),
        (status = 201, description = "Created", body = Alert),
        (status = 409, description = "`too_many_alerts`: the provider has as many as it may", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The body breaks the rules; `meaningless_statistic`: the kind of the metric has no such statistic",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn put(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PutAlert>,
) -> Result<(StatusCode, Json<Alert>)> {
    check_name(&body.name)?;
    let mut db = app.query.begin().await?;
    let name = scope_name(body.scope.as_deref().unwrap_or("provider")).map_err(|why| Problem::field("/scope", why))?;
    let scope = Scope::find(&mut db, &tenant, &name).await?;
    let PutAlert { name, kind, bucket, stat, above, below, resolve, r#for, limit, steps, after, share, metric, .. } =
        body;
    let metric = match &metric {
        Some(metric) => Some(usage::metric(&mut db, &tenant, metric, "/metric").await?),
        None => None,
    };
    let (metric_id, is_of_device) = (metric.as_ref().map(|metric| metric.metric_id), scope.device_id.is_some());
    let said =
        Said { kind, metric, is_of_device, bucket, stat, above, below, resolve, r#for, limit, steps, after, share };
    let rule = said.read()?;

    let locked = lock(&mut db, &tenant, &path.0).await?;
    let begins_anew = locked.as_ref().is_some_and(|old| old.scope != scope || old.rule.0 != rule);
    let before = look_up(&mut db, &tenant, &path.0).await?;
    let created: Option<bool> = sqlx::query_scalar(include_str!("../../sql/alerts/put.sql"))
        .bind(tenant.provider_id())
        .bind(path.0.key())
        .bind(path.0.id())
        .bind(Uuid::now_v7())
        .bind(&name)
        .bind(scope.customer_id)
        .bind(scope.group_id)
        .bind(scope.device_id)
        .bind(metric_id)
        .bind(JsonColumn(&rule))
        .bind(MOST_ALERTS)
        .bind(begins_anew)
        .fetch_optional(&mut *db)
        .await?;
    let created = match (created, &path.0) {
        (Some(created), _) => created,
        (None, Ref::Id(id)) => return Err(Problem::no_such("alert", id, None)),
        (None, Ref::Key(_)) => {
            return Err(Problem::new(Code::TooManyAlerts, format!("a provider has {MOST_ALERTS} alerts at most")));
        }
    };
    let told = Told::by_hand(Reason::Changed);
    let resolved = locked.filter(|old| begins_anew && old.state == AlertState::Firing);
    if let Some(old) = &resolved {
        tell(&mut db, old.alert_id, &told).await?;
    }
    let alert = find(&mut db, &tenant, &path.0).await?;
    let actions = [Action::AlertCreate, Action::AlertUpdate];
    audit::write_put(&mut db, &tenant.by, actions, &alert.key, before.as_ref(), &alert).await?;
    if let Some(before) = before.as_ref().filter(|_| resolved.is_some()) {
        events::record(&mut db, &[before.subject(&tenant).event(AlertState::Resolved, Utc::now(), &told)?]).await?;
    }
    db.commit().await?;
    Ok((put_status(created), Json(alert)))
}

/// One alert
#[utoipa::path(get, path = "/v1/alerts/{key}", tag = "Alerts",
    params(("key" = String, Path, description = "Key or id of the alert", example = "acme-day")),
    responses((status = 200, description = "The alert", body = Alert)))]
async fn get(
    State(app): State<App>,
    Reader(tenant): Reader,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Alert>> {
    let mut db = app.query.acquire().await?;
    find(&mut db, &tenant, &path.0).await.map(Json)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// Only alerts in this state.
    #[param(inline)]
    state: Option<AlertState>,
    /// Items of the page, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Alerts, by key
///
/// A key for a part of the provider sees those whose scope lies in it: a device's by its owner of today.
#[utoipa::path(get, path = "/v1/alerts", tag = "Alerts", params(ListParameters),
    responses((status = 200, description = "A page of alerts", body = Page<Alert>)))]
async fn list(
    State(app): State<App>,
    Reader(tenant): Reader,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let mut db = app.query.acquire().await?;
    let rows: Vec<Row> = tenant
        .seen_as(include_str!("../../sql/alerts/list.sql"))
        .bind(&window.after)
        .bind(None::<&str>)
        .bind(None::<Uuid>)
        .bind(query.state.map(AlertState::as_str))
        .bind(window.rows())
        .fetch_all(&mut *db)
        .await?;
    let Page { items, next } = window.page(rows, |row| row.key.clone());
    Ok(Page { items: items.into_iter().map(Alert::from).collect(), next }.respond(&uri))
}

/// Delete an alert
///
/// With its history. One that fires is told to be resolved.
#[utoipa::path(delete, path = "/v1/alerts/{key}", tag = "Alerts",
    params(("key" = String, Path, description = "Key or id of the alert", example = "acme-day")),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<StatusCode> {
    let mut db = app.query.begin().await?;
    lock(&mut db, &tenant, &path.0).await?;
    let alert = find(&mut db, &tenant, &path.0).await?;
    sqlx::query(include_str!("../../sql/alerts/delete.sql")).bind(alert.alert_id).execute(&mut *db).await?;
    let entry = audit::Entry { entity: &alert.key, before: Some(audit::shown(&alert)?), after: None };
    audit::write(&mut db, &tenant.by, Action::AlertDelete, &[entry]).await?;
    if alert.state == AlertState::Firing {
        let told = Told::by_hand(Reason::Deleted);
        events::record(&mut db, &[alert.subject(&tenant).event(AlertState::Resolved, Utc::now(), &told)?]).await?;
    }
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Alert {
    fn subject(&self, tenant: &Tenant) -> Subject<'_> {
        let Self { concerns, key, name, scope, rule, .. } = self;
        Subject { provider_id: tenant.provider_id(), concerns: *concerns, key, name, scope, rule }
    }
}

impl Scope {
    async fn find(db: &mut PgConnection, tenant: &Tenant, name: &ScopeName) -> Result<Self> {
        let none = Self::default();
        Ok(match name {
            ScopeName::Seen | ScopeName::Provider => none,
            ScopeName::Customer { name, .. } => {
                Self { customer_id: Some(lookup::customer(db, tenant, name, "/scope").await?), ..none }
            }
            ScopeName::Group(name) => {
                Self { group_id: Some(lookup::group(db, tenant, name, "/scope").await?.group_id), ..none }
            }
            ScopeName::Device(name) => {
                Self { device_id: Some(lookup::device(db, tenant, name, "/scope").await?), ..none }
            }
        })
    }
}

async fn lock(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> sqlx::Result<Option<Locked>> {
    let query = tenant.query_as(include_str!("../../sql/alerts/lock.sql")).bind(name.key().map(str::to_owned));
    query.bind(name.id()).fetch_optional(db).await
}

/// Writes into the history that an alert resolved because of somebody's doing.
async fn tell(db: &mut PgConnection, alert_id: i32, told: &Told) -> sqlx::Result<()> {
    sqlx::query(include_str!("../../sql/alerts/tell.sql"))
        .bind(vec![alert_id])
        .bind(vec![Utc::now()])
        .bind(vec![AlertState::Resolved.as_str()])
        .bind(vec![JsonColumn(told)])
        .execute(db)
        .await
        .map(drop)
}

/// An alert that the caller sees.
pub async fn find(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> Result<Alert> {
    look_up(db, tenant, name).await?.ok_or_else(|| Problem::no_such("alert", name, None))
}

async fn look_up(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> sqlx::Result<Option<Alert>> {
    let row: Option<Row> = tenant
        .seen_as(include_str!("../../sql/alerts/list.sql"))
        .bind(None::<&str>)
        .bind(name.key().map(str::to_owned))
        .bind(name.id())
        .bind(None::<&str>)
        .bind(1_i64)
        .fetch_optional(db)
        .await?;
    Ok(row.map(Alert::from))
}
