//! `/v1/alerts/{key}/history`: when an alert fired and resolved.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json as JsonColumn;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::core::alert;
use crate::events::{EventType, NewEvent};
use crate::http::access::Reader;
use crate::http::extract::{PathRef, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Problem, Result};

use super::operations;
use super::rule::Rule;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// How it stands with an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum AlertState {
    /// It never fired, as it is now.
    Ok,
    Firing,
    Resolved,
}

/// Why an alert resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The figure came back.
    Back,
    /// A later period was judged, and is not beyond.
    Over,
    /// Somebody changed scope or rule, which begins anew.
    Changed,
    /// Somebody deleted the alert.
    Deleted,
}

/// What is told of an alert that fired or resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// The period whose figure it is, as in usage: `2026-11-01` for a day; null where it is of none.
    #[schema(required, example = "2026-11-01")]
    pub period: Option<String>,
    /// Start of the period; of owners in several time zones, the first one's.
    #[schema(required)]
    pub start: Option<DateTime<Utc>>,
    /// End of the period, itself not in it; of owners in several time zones, the last one's.
    #[schema(required)]
    pub end: Option<DateTime<Utc>>,
    /// The figure as it was judged, as in usage; null where it was not looked at again.
    #[schema(required, example = "101.250")]
    pub value: Option<String>,
    /// Of a quota that fires: the step that was reached, in percent.
    #[schema(required, example = json!(null))]
    pub step: Option<u32>,
    /// Whether it came to be so after a later period had been judged: by readings that came late, or other changes of the past.
    pub late: bool,
    /// Why it resolved; null for what fires.
    #[schema(required, example = json!(null))]
    pub reason: Option<Reason>,
}

/// One time that an alert fired or resolved.
#[derive(Debug, Serialize, ToSchema)]
pub struct Happening {
    /// When it was judged.
    at: DateTime<Utc>,
    state: AlertState,
    #[serde(flatten)]
    told: Told,
}

#[derive(sqlx::FromRow)]
struct Row {
    history_id: i64,
    at: DateTime<Utc>,
    state: AlertState,
    told: JsonColumn<Told>,
}

impl From<alert::State> for AlertState {
    fn from(state: alert::State) -> Self {
        match state {
            alert::State::Firing => Self::Firing,
            alert::State::Resolved => Self::Resolved,
        }
    }
}

impl From<alert::Reason> for Reason {
    fn from(reason: alert::Reason) -> Self {
        match reason {
            alert::Reason::Back => Self::Back,
            alert::Reason::Over => Self::Over,
        }
    }
}

impl AlertState {
    /// As the database and callers name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

impl Told {
    /// Of what somebody did, not a figure.
    pub fn by_hand(reason: Reason) -> Self {
        Self { period: None, start: None, end: None, value: None, step: None, late: false, reason: Some(reason) }
    }
}

/// An alert of which something is told.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub provider_id: i32,
    /// The customer that it concerns.
    pub concerns: Option<i32>,
    pub key: &'a str,
    pub name: &'a str,
    pub scope: &'a str,
    pub rule: &'a Rule,
}

impl<'a> Subject<'a> {
    /// What is told to those who are told of events.
    pub fn event(&self, state: AlertState, at: DateTime<Utc>, told: &Told) -> Result<NewEvent<'a>> {
        #[derive(Serialize)]
        struct Data<'a> {
            alert: &'a str,
            name: &'a str,
            state: AlertState,
            scope: &'a str,
            rule: &'a Rule,
            #[serde(flatten)]
            told: &'a Told,
        }
        let Self { provider_id, concerns, key, name, scope, rule } = *self;
        let data = Data { alert: key, name, state, scope, rule, told };
        let kind = if state == AlertState::Firing { EventType::AlertFiring } else { EventType::AlertResolved };
        let data = serde_json::to_value(data).map_err(Problem::internal)?;
        Ok(NewEvent { provider_id, customer_id: concerns, kind, subject: key, at, data })
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// Items of the page, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// When an alert fired and resolved
///
/// Newest first. What is older than 400 days is deleted, and what is beyond the newest 1000 of an alert.
#[utoipa::path(get, path = "/v1/alerts/{key}/history", tag = "Alerts",
    params(("key" = String, Path, description = "Key or id of the alert", example = "acme-day"), ListParameters),
    responses((status = 200, description = "A page of its history", body = Page<Happening>)))]
async fn list(
    State(app): State<App>,
    Reader(tenant): Reader,
    path: PathRef,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let behind: Option<i64> = window.behind(|number| number.parse().ok())?;
    let mut db = app.query.acquire().await?;
    let alert_id = operations::find(&mut db, &tenant, &path.0).await?.alert_id;
    let rows: Vec<Row> = sqlx::query_as(include_str!("../../sql/alerts/history.sql"))
        .bind(alert_id)
        .bind(behind.unwrap_or(i64::MAX))
        .bind(window.rows())
        .fetch_all(&mut *db)
        .await?;
    let Page { items, next } = window.page(rows, |row| row.history_id.to_string());
    let happened = |row: Row| Happening { at: row.at, state: row.state, told: row.told.0 };
    Ok(Page { items: items.into_iter().map(happened).collect(), next }.respond(&uri))
}
