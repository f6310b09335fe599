//! `GET /v1/events`: what happens, as it does, as server-sent events,
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::events::Told;
use crate::events::watch::{Listening, News, Seen};
use crate::http::access::{Reader, Tenant};
use crate::http::extract::Query;
use crate::http::problem::{Code, Problem, Result};
use crate::limits::{Limit, Share};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get))
}

/// How often something is sent at least, and it is asked whether the key is still good.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How often the freshness of the figures is told.
const FRESHNESS: Duration = Duration::from_secs(5);

/// Events that are fetched at once; the next are when these were taken.
const AT_ONCE: i64 = 100;

/// After how long a listener who was cut off comes back.
const RETRY: Duration = Duration::from_secs(3);

/// An event that is kept.
#[derive(Debug, sqlx::FromRow)]
struct Kept {
    event_id: i64,
    #[sqlx(flatten)]
    told: Told,
}

/// One of the events.
#[derive(ToSchema)]
#[schema(as = Event)]
#[expect(dead_code, reason = "what the document says of what `axum` writes")]
struct Message {
    /// Of those that are kept, and of `open`.
    #[schema(example = "42")]
    id: Option<String>,
    /// Its type: that of what happened, `open`, `readings` or `freshness`.
    #[schema(example = "alert.firing")]
    event: String,
    /// Milliseconds to wait before listening again, with `open`.
    #[schema(example = 3000)]
    retry: Option<u64>,
    /// JSON, in one line.
    data: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct GetParameters {
    /// `id` of an event behind which to begin, 0 for the first that is kept, where there is no `Last-Event-ID`; with what
    /// happens from now on when left out.
    #[param(value_type = Option<i64>, minimum = 0, example = 0)]
    after: Option<String>,
    /// `false` ends the answer with what has happened by now; `true` when left out.
    #[param(value_type = Option<bool>, default = true, example = true)]
    follow: Option<String>,
}

/// Listen to what happens
///
/// Server-sent events. Those that are kept, for 30 days, have an `id`: `event` is their type, such as `alert.firing`, and `data` what
/// webhooks are told too: `id`, `type`, `timestamp`, `provider`, `customer`, `subject` and `data`. Sent back as `Last-Event-ID`, which browsers do by themselves, the answer begins behind it, so nothing is
/// missed; an `open` comes first, with the `id` behind which it begins. Besides, without an `id`: `readings`, each second in
/// which any came in after `open`, with how many got which verdict, as `/v1/accounting/minutes` counts them; `freshness`, each
/// five seconds, with `fresh_through` of the figures. A comment comes every 15 seconds.
///
/// Who sees a part of the provider is told what concerns the customers in it. Its `readings` are those of devices that belonged to
/// them at the readings' instants, so they are stored, duplicates or conflicts: what is in quarantine or rejected is nobody's,
/// and `quarantined` and `rejected` are 0. What leaves the quarantine is told nobody.
///
/// The answer ends with the key, or when that is for another part, when the server stops, and where nothing of it is taken for a
/// minute.
#[utoipa::path(get, path = "/v1/events", tag = "Events",
    params(GetParameters,
        ("Last-Event-ID" = Option<String>, Header, description = "`id` of the last event that was received", example = "42")),
    responses(
        (status = 200, description = "Events, until it ends, each of which is one of these", body = Message,
            content_type = "text/event-stream"),
        (status = 429, description = "`too_many_listeners`: as many listen to the provider as may",
            body = crate::http::problem::ProblemBody, content_type = "application/problem+json")))]
async fn get(
    State(app): State<App>,
    Reader(tenant): Reader,
    parts: Parts,
    Query(query): Query<GetParameters>,
) -> Result<Response> {
    let after = begin(&parts.headers, query.after.as_deref())?;
    let follows = match query.follow.as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(Problem::parameter("follow", "true or false")),
    };
    let share = app.guards.listeners.take(1).ok_or_else(crate::http::intake::overloaded)?;
    let listening = app.event_watch.listen(tenant.provider_id()).ok_or_else(|| {
        Limit::ProviderListeners.refused();
        Problem::new(Code::TooManyListeners, "as many listen to this provider's events as may, on this server")
    })?;
    let news = app.event_watch.news(Seen::by(&tenant)).await;
    let news = news.ok_or_else(|| Problem::new(Code::Unavailable, "the server stops"))?;
    let listener = Listener {
        app,
        parts,
        tenant,
        news,
        has_news: false,
        after,
        follows,
        told: None,
        told_freshness: None,
        looked: Instant::now(),
        waiting: VecDeque::new(),
        _held: (share, listening),
    };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    let beating = KeepAlive::new().interval(HEARTBEAT);
    // Proxies are not to collect what is to be seen at once.
    let headers = [(header::CACHE_CONTROL, "no-store"), (HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((headers, Sse::new(events).keep_alive(beating)).into_response())
}

/// The number behind which the answer begins; none for now.
fn begin(headers: &HeaderMap, after: Option<&str>) -> Result<Option<i64>> {
    let number = |name: &str, text: &str| match text.parse::<i64>() {
        Ok(number @ 0..) => Ok(number),
        _ => Err(Problem::parameter(name, "the id of an event, which is a number")),
    };
    match headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default()) {
        None | Some("") => after.map(|text| number("after", text)).transpose(),
        Some(text) => number("Last-Event-ID", text).map(Some),
    }
}

/// Somebody who listens. It is asked for an event when there is room for one on the connection, so that whoever takes them slowly
/// holds no more than some.
struct Listener {
    app: App,
    /// The request, which is asked again who calls.
    parts: Parts,
    tenant: Tenant,
    news: watch::Receiver<Option<News>>,
    /// Whether there were any since it listens: those that others had before can be a second old, and lack what happened then.
    has_news: bool,
    /// Number of the last event that was looked at; none before the beginning.
    after: Option<i64>,
    follows: bool,
    /// What of the news was told.
    told: Option<News>,
    told_freshness: Option<Instant>,
    /// When it was last asked who calls.
    looked: Instant,
    waiting: VecDeque<Event>,
    _held: (Share, Listening),
}

impl Listener {
    /// None where the answer ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.app.drain.has_begun() || !self.is_welcome().await {
                return None;
            }
            let news = *self.news.borrow_and_update();
            if let Some(news) = news.filter(|_| self.has_news) {
                let all_told = self.take(news).await?;
                if !self.waiting.is_empty() || !all_told {
                    continue;
                }
                if !self.follows {
                    return None;
                }
            }
            tokio::select! {
                changed = self.news.changed() => {
                    changed.ok()?;
                    self.has_news = true;
                }
                () = sleep(HEARTBEAT) => {}
                () = self.app.drain.beginning() => return None,
            }
        }
    }

    /// Whether the key is still good, and for the same part; what is in that may be something else meanwhile.
    async fn is_welcome(&mut self) -> bool {
        if self.looked.elapsed() < HEARTBEAT {
            return true;
        }
        self.looked = Instant::now();
        match Reader::from_request_parts(&mut self.parts, &self.app).await {
            Ok(Reader(tenant)) => {
                let is_same = Seen::by(&tenant) == Seen::by(&self.tenant);
                self.tenant = tenant;
                is_same
            }
            // Who cannot be asked for just now may be so next time.
            Err(problem) => problem.code == Code::Unavailable,
        }
    }

    /// Makes events of what is new. Whether that is all; none where it cannot be read.
    async fn take(&mut self, news: News) -> Option<bool> {
        let Some(after) = self.after.filter(|_| self.told.is_some()).or_else(|| self.open(news)) else {
            return Some(true);
        };
        let mut all = true;
        if news.last_event > after {
            let found: sqlx::Result<Vec<Kept>> = self
                .tenant
                .seen_as(include_str!("../../sql/events/follow.sql"))
                .bind(after)
                .bind(news.last_event)
                .bind(AT_ONCE)
                .fetch_all(&self.app.query)
                .await;
            // Whoever listens comes back, and is told then.
            let found = found.inspect_err(|error| tracing::warn!(%error, "events could not be read")).ok()?;
            all = found.len() < AT_ONCE as usize;
            let last = found.last().map(|event| event.event_id).filter(|_| !all);
            self.after = Some(last.unwrap_or(news.last_event));
            self.waiting.extend(found.iter().filter_map(Kept::event));
        }
        if all {
            self.take_figures(news);
        }
        Some(all)
    }

    /// The first event, with the number from which on others are told.
    fn open(&mut self, news: News) -> Option<i64> {
        let after = self.after.unwrap_or(news.last_event);
        let open = Event::default().event("open").id(after.to_string()).retry(RETRY);
        self.waiting.extend(open.json_data(json!({"provider": self.tenant.key})).ok());
        (self.after, self.told) = (Some(after), Some(news));
        Some(after)
    }

    /// What came in, and how fresh the figures are.
    fn take_figures(&mut self, news: News) {
        let before = self.told.replace(news).unwrap_or(news);
        let came = news.readings.since(&before.readings);
        if came.received > 0 {
            self.waiting.extend(Event::default().event("readings").json_data(came).ok());
        }
        if self.told_freshness.is_none_or(|told| told.elapsed() >= FRESHNESS) {
            self.told_freshness = Some(Instant::now());
            let fresh = json!({"fresh_through": news.fresh_through});
            self.waiting.extend(Event::default().event("freshness").json_data(fresh).ok());
        }
    }
}

impl Kept {
    fn event(&self) -> Option<Event> {
        Event::default().event(&self.told.kind).id(self.event_id.to_string()).json_data(&self.told).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_received_last_goes_before_what_was_asked_for_first() {
        let begins = |last: Option<&'static str>, after: Option<&str>| {
            let headers = last.map(|id| (HeaderName::from_static("last-event-id"), id.parse().unwrap()));
            begin(&headers.into_iter().collect(), after)
        };
        assert_eq!(begins(None, None), Ok(None));
        assert_eq!(begins(None, Some("0")), Ok(Some(0)));
        assert_eq!(begins(Some("7"), Some("3")), Ok(Some(7)));
        assert_eq!(begins(Some(""), Some("3")), Ok(Some(3)));
        for wrong in ["-1", "x", "1.5", "9223372036854775808"] {
            assert!(begins(Some(wrong), None).is_err() && begins(None, Some(wrong)).is_err(), "{wrong}");
        }
    }
}
