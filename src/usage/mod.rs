//! Figures out: `GET /v1/usage`. `ask` reads the parameters, `scope` finds whose usage it is among the `customers`,
//! `figures` asks the rollups, if they have all of the range (`kept`), `before` for what gaps are filled with, `answer`
//! writes the points. `registered` and `expected` count from assignments
//! (`assigned`) what readings cannot tell. `many` asks for alerts, of many scopes at once.

mod answer;
mod ask;
mod assigned;
mod before;
mod counts;
mod customers;
mod direct;
mod expected;
mod figures;
mod kept;
mod many;
mod registered;
mod scope;
mod span;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use sqlx::{Connection, PgConnection};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::core::period::{Bucket, Period, Range};
use crate::database::SNAPSHOT;
use crate::http::accept;
use crate::http::access::{Reader, Tenant};
use crate::http::extract::Query;
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::rollup::{self, columnstore, retention::Kept};
pub use answer::period_name;
use answer::{Columns, Days, Freshness, Point, ScopeAnswer, SeriesAnswer, Texts, Usage};
use ask::{Ask, Filling, Parameters};
pub use ask::{Bucketing, ScopeName, Stat, meaningless, scope_name};
use customers::Customers;
pub use direct::{Direct, direct, plans};
pub use figures::Figures;
use figures::Place;
pub use many::{Many, Question, Whose};
use scope::{MAX_POINTS, Scope, Series, Source, too_many};
pub use scope::{Metric, metric};
pub use span::Span;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(usage))
}

/// Usage of a provider, customer, group or device
///
/// Figures by hour, day, month or in total, exact and as of `fresh_through`. Days are those of each owner's billing
/// calendar, 23- and 25-hour days included; where its time zone changed, the first day of the new one is longer or
/// shorter by the difference. Months begin on the `billing_month_anchor` of the customer that the series is of: of the
/// scope, of the sub-customer with `by=customer`, of the group's customer with `by=group`, of a device's owner; a
/// provider's are calendar months. A range need not be of whole months: a month's point then covers the days that lie in
/// it, as its `start` and `end` say. A range that begins before the time that figures of its bucket are kept of is
/// refused (`not_kept`). `Accept: text/csv` gives one row per series and point.
///
/// `active_devices` counts each device once in a period, so a month's number is not the sum of its days'.
/// `registered_devices` comes from assignments: a device whose first assignment has no start counts in every period
/// before its end. The points of a metric with an `expected_interval` tell how many readings were `expected` and
/// `received`; these two add up over periods, and over series that split a scope. A period is `final` when it ended
/// longer before `fresh_through` than late readings are awaited.
#[utoipa::path(get, path = "/v1/usage", tag = "Usage", params(Parameters),
    responses(
        (status = 200, description = "The figures", content(
            (Usage = "application/json"),
            (String = "text/csv", example = "metric,unit,time_zone,period,start,end,sum,count,final\nenergy,kWh,Europe/Paris,2026-11-01,2026-11-01T00:00:00+01:00,2026-11-02T00:00:00+01:00,32.330,24,false\n"))),
        (status = 406, description = "`not_acceptable`: neither JSON nor CSV", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`meaningless_statistic`, `too_many_points`, or `not_kept`: the range begins before the time that figures of this bucket are kept of", body = ProblemBody, content_type = "application/problem+json")))]
async fn usage(
    State(app): State<App>,
    Reader(tenant): Reader,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Result<Response> {
    let format = accept::preferred(&headers, &["application/json", "text/csv"])?;
    let ask = parameters.read()?;
    let (usage, columns) = steady_answer(&app, &tenant, &ask).await?;
    if format == "application/json" {
        // Into a vector, which takes the many small writes of a large answer faster than the buffer that `Json` uses.
        let body = serde_json::to_vec(&usage).map_err(Problem::internal)?;
        return Ok(([(header::CONTENT_TYPE, format)], body).into_response());
    }
    let body = usage.to_csv(ask.by, &columns).map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], body).into_response())
}

/// How often an answer is made anew because chunks went to the columnstore meanwhile, which happens some times a week.
const TRIES: u32 = 10;

/// How long the second try waits; each further one twice as long as the one before, so that they outlast a table whose
/// chunks are converted one after the other.
const PAUSE: Duration = Duration::from_millis(5);

/// The answer of one snapshot, so that all series and the freshness agree with each other; and the columns of its CSV.
async fn steady_answer(app: &App, tenant: &Tenant, ask: &Ask) -> Result<(Usage, Columns)> {
    let mut db = app.query.acquire().await?;
    for tried in 0..TRIES {
        if tried > 0 {
            tokio::time::sleep(PAUSE * 2_u32.pow(tried - 1)).await;
        }
        let (horizon, before) = rollup::horizon(&mut db, app.edition).await?;
        let mut snapshot = db.begin_with(SNAPSHOT).await?;
        let found = answer(&mut snapshot, app, tenant, ask, horizon).await?;
        // It only read; its end is not waited for, but comes before whatever the connection is asked next.
        drop(snapshot);
        let is_steady = match before {
            Some(before) => columnstore::conversions(&mut db).await? == before,
            None => true,
        };
        if is_steady {
            return Ok(found);
        }
        metrics::counter!("meterbase_usage_retries_total").increment(1);
    }
    Err(Problem::new(Code::Unavailable, "chunks go to the columnstore one after the other just now"))
}

/// The answer, and the columns that CSV shows of it.
async fn answer(
    db: &mut PgConnection,
    app: &App,
    tenant: &Tenant,
    ask: &Ask,
    horizon: chrono::DateTime<chrono::Utc>,
) -> Result<(Usage, Columns)> {
    let found = Found::find(db, tenant, ask).await?;
    let fresh_through = rollup::fresh_through(db, horizon).await?;
    let freshness = Freshness { fresh_through, late_horizon: app.late_horizon };
    let mut table = Table::new(ask, &found);
    table.load(db, &found).await?;
    table.load_counts(db, tenant.provider_id(), &found, fresh_through).await?;

    let Found { metrics, stats, scope, range, series, .. } = &found;
    let (mut answers, mut texts) = (Vec::new(), Texts::default());
    let mut room = MAX_POINTS;
    for (metric, stats) in metrics.iter().zip(stats) {
        for one in series {
            let points = table.points(metric, one, stats, freshness, &mut texts, room)?;
            room -= points.len();
            if one.always || !points.is_empty() {
                answers.push(SeriesAnswer::new(metric, ask.by, one, range, points));
            }
        }
    }
    let (from, to) = answer::ends(range);
    let time_zone = answer::single(&scope.calendars, range);
    let bucket = ask.bucket.as_ref().to_owned();
    let scope = ScopeAnswer { level: scope.level, key: scope.key.clone() };
    let mut all: Vec<Stat> = Vec::new();
    for stat in stats.iter().flatten() {
        if !all.contains(stat) {
            all.push(*stat);
        }
    }
    let columns = Columns { stats: all, completeness: metrics.iter().any(|m| m.expected_interval.is_some()) };
    Ok((Usage { scope, bucket, from, to, time_zone, fresh_through, series: answers }, columns))
}

/// What a question is about, as the registry has it.
#[derive(Debug)]
struct Found {
    metrics: Vec<Metric>,
    /// Of each metric.
    stats: Vec<Vec<Stat>>,
    scope: Scope,
    range: Range,
    series: Vec<Series>,
    sources: Vec<Source>,
    customers: Customers,
}

impl Found {
    async fn find(db: &mut PgConnection, tenant: &Tenant, ask: &Ask) -> Result<Self> {
        let metrics = scope::metrics(db, tenant, &ask.metrics).await?;
        let stats = stats_of(&metrics, ask)?;
        let each = ask.by.is_some() || metrics.iter().any(|metric| metric.expected_interval.is_some());
        let (scope, customers) = Scope::find(db, tenant, &ask.scope, each).await?;
        let range = ask.range(&scope.calendars)?;
        let (series, sources) = scope.split(db, tenant, ask, &range, &customers).await?;
        Ok(Self { metrics, stats, scope, range, series, sources, customers })
    }

    fn counts_devices(&self) -> bool {
        self.stats.iter().flatten().any(|stat| *stat == Stat::ActiveDevices)
    }

    /// Whether something is asked that is made from readings. Registered devices are not.
    fn needs_readings(&self) -> bool {
        self.metrics.iter().any(|metric| metric.expected_interval.is_some())
            || self.stats.iter().flatten().any(|stat| *stat != Stat::RegisteredDevices)
    }

    /// Then no other figures are needed: wherever a device is counted there are some, so no point is missed.
    fn counts_devices_alone(&self) -> bool {
        self.metrics.iter().all(|metric| metric.expected_interval.is_none())
            && self.stats.iter().flatten().all(|stat| *stat == Stat::ActiveDevices)
    }
}

/// The statistics of each metric.
fn stats_of(metrics: &[Metric], ask: &Ask) -> Result<Vec<Vec<Stat>>> {
    metrics.iter().map(|metric| ask::stats_for(&metric.kind, &metric.key, ask.stats.as_deref())).collect()
}

/// All figures of an answer, by where they belong.
struct Table<'a> {
    bucket: Bucket,
    fill: Filling,
    range: &'a Range,
    figures: HashMap<Place, BTreeMap<Period, Figures>>,
    /// The last values before the range, where gaps are filled with them.
    before: HashMap<Place, i64>,
}

impl<'a> Table<'a> {
    fn new(ask: &Ask, found: &'a Found) -> Self {
        Self {
            bucket: ask.bucket.into(),
            fill: ask.fill,
            range: &found.range,
            figures: HashMap::new(),
            before: HashMap::new(),
        }
    }

    async fn load(&mut self, db: &mut PgConnection, found: &Found) -> Result<()> {
        let metric_ids: Vec<_> = found.metrics.iter().map(|metric| metric.metric_id).collect();
        let (range, bucket) = (self.range, self.bucket);
        let query = figures::Query { metric_ids: &metric_ids, range, bucket };
        let kept = Kept::read(db).await?;
        for source in &found.sources {
            if found.needs_readings() {
                query.check_kept(source, found.counts_devices(), &kept, &found.scope.calendars)?;
            }
            if !found.counts_devices_alone() {
                for (place, period, figures) in query.stats(db, source).await? {
                    self.figures.entry(place).or_default().insert(period, figures);
                }
            }
            if found.counts_devices() {
                for (place, period, devices) in query.active_devices(db, source).await? {
                    self.figures.entry(place).or_default().entry(period).or_default().active_devices = devices;
                }
            }
            if self.fill == Filling::Previous {
                self.before.extend(query.before(db, source, &kept).await?);
            }
        }
        Ok(())
    }

    /// The points of one series, gaps filled as asked; refuses to make more than `room`.
    fn points(
        &self,
        metric: &Metric,
        series: &Series,
        stats: &[Stat],
        freshness: Freshness,
        texts: &mut Texts,
        room: usize,
    ) -> Result<Vec<Point>> {
        let place = Place { metric_id: metric.metric_id, label: series.label.clone() };
        let none = BTreeMap::new();
        let found = self.figures.get(&place).unwrap_or(&none);
        let days = Days::of(series, self.range);
        let mut point =
            |period: &Period, figures: &Figures| Point::new(period, &days, stats, figures, metric, freshness, texts);
        let mut last = self.before.get(&place).copied();
        let is_empty = found.is_empty() && last.is_none();
        if self.fill == Filling::None || (is_empty && !series.always) {
            let points: Vec<_> = found.iter().map(|(period, figures)| point(period, figures)).collect();
            return if points.len() > room { Err(too_many()) } else { Ok(points) };
        }
        let periods = self.range.periods(self.bucket, series.anchor, &series.calendars, room + 1);
        if periods.len() > room {
            return Err(too_many());
        }
        let mut points = Vec::with_capacity(periods.len());
        for period in &periods {
            let mut figures = found.get(period).cloned().unwrap_or_default();
            if figures.count > 0 {
                last = figures.last;
            } else {
                figures.fill(last.filter(|_| self.fill == Filling::Previous));
            }
            points.push(point(period, &figures));
        }
        Ok(points)
    }
}

impl Figures {
    /// What stands for a period without readings: nothing was used, and the level is unknown or still the last one.
    fn fill(&mut self, level: Option<i64>) {
        (self.min, self.max, self.first, self.last) = (level, level, level, level);
    }
}
