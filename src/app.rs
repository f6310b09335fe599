//! The application: its route table, its OpenAPI document, and the layers around all of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use sqlx::PgPool;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::database::Edition;
use crate::http::callers::Callers;
use crate::http::problem::{Code, Problem, Result};
use crate::http::{extract, intake, security};
use crate::limits::Guards;
use crate::openapi::{self, KnownParameters};
use crate::server::{self, Drain};
use crate::{alerts, dashboard, enroll, events, ingest, keys, observe, profiles, registry, service, usage, webhooks};

/// What every handler may use. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// For reading and for the registry: many short statements, a long time limit.
    pub query: PgPool,
    /// Tells who calls.
    pub callers: Arc<Callers>,
    /// Stores readings, on connections of its own, so that dashboards cannot take them away.
    pub ingest: Arc<ingest::Ingest>,
    /// Tells devices that wait of another configuration.
    pub config_watch: Arc<profiles::ConfigWatch>,
    /// Tells listeners what is new.
    pub event_watch: Arc<events::EventWatch>,
    /// Edition of the database: where the freshness of rollups is read from.
    pub edition: Edition,
    /// How long after a period's end its figures may still be awaited.
    pub late_horizon: chrono::Duration,
    /// Where webhooks may lead.
    pub webhook_reach: Arc<webhooks::Reach>,
    /// The limits, and what is used of them.
    pub guards: Arc<Guards>,
    /// Whether the server stops.
    pub drain: Drain,
    /// Gives certificates to devices; none where the server has no such authority.
    pub issuer: Option<Arc<keys::Authority>>,
    /// What `/metrics` tells.
    pub metrics: observe::Metrics,
}

/// Largest body of a registry operation, in bytes: 10,000 devices with long names fit.
pub const MAX_BODY: usize = 16 * 1024 * 1024;

/// The route table: every operation of the API, with its documentation.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::frame())
        .merge(service::routes())
        .merge(registry::routes())
        .merge(keys::routes())
        .merge(ingest::routes())
        .merge(profiles::routes())
        .merge(enroll::routes())
        .merge(usage::routes())
        .merge(events::routes())
        .merge(webhooks::routes())
        .merge(alerts::routes())
}

/// The OpenAPI document, as served and as committed under `openapi/`.
pub fn document() -> OpenApi {
    openapi::finish(routes().into_openapi())
}

/// The whole application.
pub fn router(app: App) -> Router {
    let document = document();
    let known = Arc::new(KnownParameters::of(&document));
    let (router, _) = routes().split_for_parts();
    router
        .route_layer(middleware::from_fn_with_state(known, refuse_unknown_parameters))
        .merge(service::pages(document))
        .merge(dashboard::pages())
        .fallback(|| async { Problem::new(Code::NotFound, "there is no such path; /docs lists those there are") })
        .method_not_allowed_fallback(|| async {
            Problem::new(Code::MethodNotAllowed, "the path has other methods; see the Allow header")
        })
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            axum::response::IntoResponse::into_response(Problem::internal("a handler panicked"))
        }))
        .layer(middleware::from_fn_with_state(app.clone(), intake::guard))
        .layer(middleware::from_fn_with_state(app.clone(), server::say_goodbye))
        .layer(middleware::from_fn(security::protect))
        .layer(observe::layers())
        .with_state(app)
}

/// Unknown query parameters are errors, not silence; what is known is what the OpenAPI document says.
async fn refuse_unknown_parameters(
    State(known): State<Arc<KnownParameters>>,
    request: Request,
    next: Next,
) -> Result<Response> {
    if let Some(path) = request.extensions().get::<MatchedPath>() {
        for (name, _) in extract::pairs(request.uri().query().unwrap_or_default())? {
            if !known.has(request.method(), path.as_str(), &name) {
                return Err(Problem::new(Code::InvalidParameter, format!("there is no parameter {name:?} here")).at(
                    name,
                    "unknown_parameter",
                    "not a parameter of this operation",
                ));
            }
        }
    }
    Ok(next.run(request).await)
}

/// Statement time limits of the two pools.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(60);
pub const INGEST_TIMEOUT: Duration = Duration::from_secs(120);
