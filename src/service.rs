//! The server about itself: health, metrics, documentation, problem pages.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::http::problem::{Code, Problem, Result};
use crate::http::security;
use crate::{migrate, observe, server};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Pages for people and the document itself; not operations of the API.
pub fn pages(document: OpenApi) -> Router<App> {
    let problems = Router::new()
        .route("/problems/", get(problem_list))
        .route("/problems/{code}", get(problem_page))
        .route("/problems/page.css", get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }));
    let documentation = Router::new().merge(utoipa_swagger_ui::SwaggerUi::new("/docs").url("/openapi.json", document));
    security::page(problems, security::PROBLEMS).merge(security::page(documentation, security::DOCUMENTATION))
}

/// Is the process up?
#[utoipa::path(get, path = "/healthz", tag = "Service",
    responses((status = 200, description = "It is", body = String, content_type = "text/plain")))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Can it serve: is the database reachable, its schema current, and the server not about to stop?
#[utoipa::path(get, path = "/readyz", tag = "Service",
    responses(
        (status = 200, description = "It can", body = String, content_type = "text/plain"),
        (status = 503, description = "It cannot; the body says why", body = crate::http::problem::ProblemBody, content_type = "application/problem+json")))]
async fn readyz(State(app): State<App>) -> Result<&'static str> {
    if app.drain.has_begun() {
        return Err(Problem::new(Code::Unavailable, "the server stops"));
    }
    let mut db = app.query.acquire().await?;
    let applied = migrate::applied_version(&mut db).await?;
    if applied == Some(migrate::known_version()) {
        Ok("ready\n")
    } else {
        Err(Problem::new(Code::Unavailable, "the schema is not that of this version; run meterbase migrate"))
    }
}

/// Metrics in Prometheus' text format
#[utoipa::path(get, path = "/metrics", tag = "Service",
    responses(
        (status = 200, description = "Counters, gauges and histograms", body = String, content_type = "text/plain"),
        (status = 404, description = "They have a listener of their own (`--listen-metrics`)", body = crate::http::problem::ProblemBody, content_type = "application/problem+json")))]
async fn metrics(State(app): State<App>) -> Response {
    if app.metrics.is_apart {
        return Problem::new(Code::NotFound, "the metrics of this server have a listener of their own").into_response();
    }
    page(&app)
}

fn page(app: &App) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], observe::render(app)).into_response()
}

/// The metrics alone, for a listener of their own.
pub fn metrics_alone(app: App) -> Router {
    Router::new()
        .route("/metrics", get(|State(app): State<App>| async move { page(&app) }))
        .fallback(|| async { Problem::new(Code::NotFound, "here is nothing but /metrics") })
        .layer(middleware::from_fn_with_state(app.clone(), server::say_goodbye))
        .with_state(app)
}

async fn problem_list() -> Html<String> {
    let item = |code: &Code| {
        format!(
            "<li><a href=\"/problems/{0}\">{0}</a> ({1}): {2}</li>",
            code.slug(),
            code.status().as_u16(),
            code.title()
        )
    };
    let items: String = Code::ALL.iter().map(item).collect();
    html("Problems", &format!("<ul>{items}</ul>"))
}

async fn problem_page(Path(slug): Path<String>) -> Result<Html<String>> {
    let code = Code::ALL.iter().find(|code| code.slug() == slug);
    let code = code.ok_or_else(|| Problem::no_such("problem", &slug, None))?;
    Ok(html(
        code.title(),
        &format!("<p>Status {}, code <code>{slug}</code></p><p>{}</p>", code.status().as_u16(), code.page()),
    ))
}

/// How problem pages look.
const STYLE: &str = "html{color-scheme:light dark;background:Canvas;color:CanvasText;font:1rem/1.5 system-ui}body{max-width:44rem;margin:2rem auto;padding:0 1rem}\n";

fn html(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} - Meterbase</title><link rel=\"stylesheet\" href=\"/problems/page.css\">\
         <h1>{title}</h1>{body}<p><a href=\"/problems/\">All problems</a>, <a href=\"/docs\">the API</a></p></html>"
    ))
}
