//! Smart meters against a server, each as what it is: a device that begins with nothing but an enrollment token. Somebody
//! approves them through the API; what they posted before that waits in quarantine. Then they follow what they are told, and
//! hear of another interval while they wait for one. In the end their days are compared with what they used.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::client::{Client, ClientError, Verdicts};
use crate::fleet::Plan;
use crate::fleet::meter::{Day, METRICS, Meter, Quantity, Version, clock};
use crate::simulation::SimulationError;
use crate::simulation::comparison::wait_for_provider;

/// What came of it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct MetersReport {
    pub meters: Vec<String>,
    /// Readings that waited in quarantine until their meters were approved.
    pub waited: u64,
    pub verdicts: Verdicts,
    /// The intervals that they were told, in seconds.
    pub intervals: [u64; 2],
    /// From the change of the interval until the last meter had heard of it.
    pub heard_after_seconds: f64,
    pub days: Vec<MeterDay>,
}

/// A day of a meter.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MeterDay {
    pub meter: String,
    pub standard: String,
    pub day: NaiveDate,
    /// Of low and normal tariff and gas.
    pub figures: [DayFigure; 3],
}

/// `sum/readings` of one metric on a day, as it was served and as the meter knows it; absent on a side that has nothing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DayFigure {
    pub metric: &'static str,
    pub served: Option<(String, u64)>,
    pub used: Option<(String, u64)>,
}

const PROVIDER: &str = "polder-grid";
const CUSTOMER: &str = "polder-homes";
const PROFILE: &str = "smart-meter";

/// What the meters are told at first, and later.
const INTERVALS: [&str; 2] = ["1h", "30m"];

/// How often they post before they are told anything.
const UNTOLD: TimeDelta = TimeDelta::hours(1);

/// Most seconds that a meter waits for another configuration.
const WAIT: u32 = 30;

/// How long the meters wait before the interval is changed, so that they do.
const BEFORE_CHANGE: Duration = Duration::from_millis(300);

/// How long the server may take to try what is in quarantine, and until the figures are there.
const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(100);

/// A meter that the server knows.
struct Enrolled {
    meter: Meter,
    client: Client,
    /// Stands for the configuration that it has.
    tag: Option<String>,
    interval: TimeDelta,
    verdicts: Verdicts,
}

/// Does all of it. `client` may make providers. Done again it makes the same readings, by meters that enroll once more.
pub async fn run(client: &Client, plan: &Plan) -> Result<MetersReport, SimulationError> {
    let [earlier, later] = clock::last_changes(plan.until.and_time(chrono::NaiveTime::MIN).and_utc());
    let operator = client.in_provider(PROVIDER);
    let meters: Vec<_> = Version::ALL.map(|version| Meter::new(plan.seed, version, later)).into();
    prepare(client, &operator, plan).await?;
    forget(&operator, &meters).await?;
    let token = token(&operator, meters.len()).await?;
    let mut enrolled = try_join_all(meters.into_iter().map(|meter| enroll(client, &token, meter))).await?;

    // The day before clocks are put forward, or back, is posted before anybody approves them.
    let [first, second] = [earlier, later].map(|day| [-1, 0, 1, 2].map(|n| clock::midnight(day + TimeDelta::days(n))));
    try_join_all(enrolled.iter_mut().map(|one| one.post(first[0], first[1]))).await?;
    let waited = enrolled.iter().map(|one| one.verdicts.quarantined).sum();
    let counted = enrolled.iter().find(|one| one.verdicts.quarantined != one.verdicts.received);
    if let Some(one) = counted {
        return Err(one.trouble(format!("was not approved, and was answered {:?}", one.verdicts)));
    }
    approve(&operator, &enrolled).await?;
    try_join_all(enrolled.iter_mut().map(Enrolled::begin)).await?;
    try_join_all(enrolled.iter_mut().map(|one| one.post(first[1], first[3]))).await?;
    let told = enrolled[0].interval;
    let heard_after_seconds = change_interval(&operator, &mut enrolled).await?;
    let intervals = [told, enrolled[0].interval].map(|interval| interval.num_seconds().unsigned_abs());
    let rest = |one: &mut Enrolled| one.meter.rest();
    enrolled.iter_mut().for_each(rest);
    try_join_all(enrolled.iter_mut().map(|one| one.post(second[0], second[3]))).await?;

    let mut verdicts = Verdicts::default();
    enrolled.iter().for_each(|one| verdicts.add(&one.verdicts));
    let meters: Vec<_> = enrolled.iter().map(|one| one.meter.serial.clone()).collect();
    let days = compare(client, &enrolled, [earlier, later]).await?;
    Ok(MetersReport { meters, waited, verdicts, intervals, heard_after_seconds, days })
}

/// The provider with its customer, metrics and profile. One that is there and not of a simulation is left alone.
async fn prepare(client: &Client, operator: &Client, plan: &Plan) -> Result<(), SimulationError> {
    let path = format!("/v1/providers/{PROVIDER}");
    let found = client.find(&path).await?;
    if found.is_some_and(|found| Plan::of_name(found["name"].as_str().unwrap_or_default()).is_none()) {
        return Err(SimulationError::NotSimulated(PROVIDER));
    }
    let body = json!({"name": format!("Polder Grid {plan}"), "time_zone": "Europe/Amsterdam"});
    client.put(&path, &body).await?;
    operator.put(&format!("/v1/customers/{CUSTOMER}"), &json!({"name": "Polder Homes"})).await?;
    for (quantity, metric) in METRICS {
        let (name, unit) = match quantity {
            Quantity::Low => ("Electricity, low tariff", "kWh"),
            Quantity::Normal => ("Electricity, normal tariff", "kWh"),
            Quantity::Gas => ("Gas", "m3"),
        };
        let body = json!({"name": name, "unit": unit, "kind": "register", "scale": 3});
        operator.put(&format!("/v1/metrics/{metric}"), &body).await?;
    }
    put_profile(operator, INTERVALS[0]).await
}

async fn put_profile(operator: &Client, interval: &str) -> Result<(), SimulationError> {
    let fields = METRICS.map(|(quantity, metric)| match quantity {
        Quantity::Low => json!({"from": "1-0:1.8.1", "metric": metric, "unit": "kWh"}),
        Quantity::Normal => json!({"from": "1-0:1.8.2", "metric": metric, "unit": "kWh"}),
        Quantity::Gas => json!({"from": "0-n:24.2.1", "device_type": 3, "metric": metric, "unit": "m3"}),
    });
    let body = json!({
        "name": "Smart meter with a P1 port", "match": {"model": "MB-0*"}, "format": "p1", "interval": interval,
        "fields": fields,
    });
    operator.put(&format!("/v1/profiles/{PROFILE}"), &body).await?;
    Ok(())
}

/// What a run before left of the same meters: their enrollments, and what was never approved.
async fn forget(operator: &Client, meters: &[Meter]) -> Result<(), SimulationError> {
    for one in enrollments(operator).await? {
        if meters.iter().any(|meter| one["serial"] == *meter.serial) {
            operator.delete(&format!("/v1/enrollments/{}", one["id"].as_str().unwrap_or_default()), &[]).await?;
        }
    }
    for meter in meters {
        operator.delete("/v1/quarantine", &[("device", &meter.serial)]).await?;
    }
    Ok(())
}

/// Devices that registered themselves. A simulation has three for each change of clocks.
async fn enrollments(operator: &Client) -> Result<Vec<Value>, SimulationError> {
    let page = operator.get("/v1/enrollments", &[("limit", "1000")]).await?;
    Ok(page["items"].as_array().cloned().unwrap_or_default())
}

async fn token(operator: &Client, uses: usize) -> Result<String, SimulationError> {
    let expires_at = operator.server_time().await? + TimeDelta::hours(1);
    let body = json!({"customer": CUSTOMER, "name": "simulation", "expires_at": expires_at, "uses": uses});
    let made = operator.post("/v1/enrollment-tokens", &body).await?;
    Ok(made["token"].as_str().unwrap_or_default().to_owned())
}

/// A meter registers itself, and is told that it has to wait.
async fn enroll(client: &Client, token: &str, meter: Meter) -> Result<Enrolled, SimulationError> {
    let trouble = |what: String| SimulationError::Meter { meter: meter.serial.clone(), what };
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| trouble(format!("cannot draw a secret: {error}")))?;
    let body = json!({
        "token": token, "serial": meter.serial, "model": meter.version.model(), "firmware": "1.0",
        "secret": hex::encode(secret),
    });
    let answer = client.as_other(None).post("/v1/enroll", &body).await?;
    let key = answer["key"].as_str().ok_or_else(|| trouble("enrolled and got no key".to_owned()))?;
    let own = client.as_other(Some(key));
    let state = own.get("/v1/enroll", &[]).await?["state"].clone();
    if state != "pending" {
        return Err(trouble(format!("should wait for approval and is {state}")));
    }
    match own.config(None, 0).await {
        Err(ClientError::Refused { status: 403, .. }) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => return Err(trouble("was told what to do before it was approved".to_owned())),
    }
    Ok(Enrolled { meter, client: own, tag: None, interval: UNTOLD, verdicts: Verdicts::default() })
}

/// Approves what waits, as an operator does, and waits until what was in quarantine is not there any more.
async fn approve(operator: &Client, enrolled: &[Enrolled]) -> Result<(), SimulationError> {
    let started = Instant::now();
    for one in enrollments(operator).await? {
        if one["state"] == "pending" && enrolled.iter().any(|of| one["serial"] == *of.meter.serial) {
            let path = format!("/v1/enrollments/{}/approve", one["id"].as_str().unwrap_or_default());
            operator.tell(&path, &Value::Null).await?;
        }
    }
    for one in enrolled {
        let query = [("device", one.meter.serial.as_str()), ("limit", "1")];
        while operator.get("/v1/quarantine", &query).await?["items"].as_array().is_none_or(|items| !items.is_empty()) {
            if started.elapsed() >= PATIENCE {
                return Err(one.trouble("is approved, and what it posted before is still in quarantine".to_owned()));
            }
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

/// Changes the interval while the meters wait for a change. Seconds until the last of them had heard of it.
async fn change_interval(operator: &Client, enrolled: &mut [Enrolled]) -> Result<f64, SimulationError> {
    let change = async {
        tokio::time::sleep(BEFORE_CHANGE).await;
        put_profile(operator, INTERVALS[1]).await?;
        Ok(Instant::now())
    };
    let (changed, heard) = tokio::try_join!(change, try_join_all(enrolled.iter_mut().map(Enrolled::listen)))?;
    for one in enrolled {
        let shown = operator.get(&format!("/v1/devices/{}/config", one.meter.serial), &[]).await?;
        if shown["in_sync"] != true {
            return Err(one.trouble(format!("acknowledged, and the server says: {shown}")));
        }
    }
    let last = heard.into_iter().max().unwrap_or(changed);
    Ok(last.saturating_duration_since(changed).as_millis() as f64 / 1000.0)
}

impl Enrolled {
    /// Hears that it is approved, fetches what it is to do and says that it does.
    async fn begin(&mut self) -> Result<(), SimulationError> {
        let state = self.client.get("/v1/enroll", &[]).await?["state"].clone();
        if state != "approved" {
            return Err(self.trouble(format!("should be approved and is {state}")));
        }
        let config = self.client.config(None, 0).await?;
        self.follow(config).await?;
        match self.client.config(self.tag.as_deref(), 0).await? {
            None => Ok(()),
            Some(_) => Err(self.trouble("was told twice what it is to do".to_owned())),
        }
    }

    /// Waits for another configuration, and acknowledges it. When it heard of that.
    async fn listen(&mut self) -> Result<Instant, SimulationError> {
        let config = self.client.config(self.tag.as_deref(), WAIT).await?;
        let heard = Instant::now();
        self.follow(config).await?;
        Ok(heard)
    }

    async fn follow(&mut self, config: Option<(String, Value)>) -> Result<(), SimulationError> {
        let Some((tag, config)) = config else {
            return Err(self.trouble("heard nothing of another configuration".to_owned()));
        };
        let seconds = config["interval_seconds"].as_i64().filter(|seconds| *seconds > 0);
        let seconds = seconds.ok_or_else(|| self.trouble(format!("was not told how often to report: {config}")))?;
        self.client.tell("/v1/device/config/ack", &json!({"version": config["version"]})).await?;
        (self.tag, self.interval) = (Some(tag), TimeDelta::seconds(seconds));
        Ok(())
    }

    /// Reads and posts as often as it is told to, from one instant to before another.
    async fn post(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<(), SimulationError> {
        let mut at = from;
        while at < to {
            let receipt = self.client.post_telegram(self.meter.read(at), at).await?;
            self.verdicts.add(&receipt.verdicts);
            if let Some(refused) =
                receipt.results.iter().find(|one| !["duplicate", "quarantined"].contains(&&*one.status))
            {
                return Err(self.trouble(format!("posted {at}, and a reading is refused: {refused:?}")));
            }
            at += self.interval;
        }
        Ok(())
    }

    fn trouble(&self, what: String) -> SimulationError {
        SimulationError::Meter { meter: self.meter.serial.clone(), what }
    }
}

/// The meters' days as the server has them beside what they used; what only one side has is there too.
async fn compare(
    client: &Client,
    enrolled: &[Enrolled],
    changes: [NaiveDate; 2],
) -> Result<Vec<MeterDay>, SimulationError> {
    let [from, to] = [changes[0] - Days::new(7), changes[1] + Days::new(7)].map(|day| day.to_string());
    // Clocks change in the last week of a month.
    let months = [changes[0], changes[1] + Days::new(7)].map(|day| day.format("%Y-%m-01").to_string());
    wait_for_provider(client, PROVIDER, METRICS[0].1, (&months[0], &months[1]), PATIENCE).await?;
    let metrics = METRICS.map(|(_, metric)| metric).join(",");
    let query = [
        ("metric", metrics.as_str()),
        ("scope", &format!("customer:{CUSTOMER}")),
        ("by", "device"),
        ("bucket", "day"),
        ("from", &from),
        ("to", &to),
        ("stats", "sum,count"),
    ];
    let usage = client.in_provider(PROVIDER).get("/v1/usage", &query).await?;
    let mut days = Vec::new();
    for one in enrolled {
        let mut all: BTreeMap<NaiveDate, [DayFigure; 3]> = BTreeMap::new();
        let none = || METRICS.map(|(_, metric)| DayFigure { metric, served: None, used: None });
        for ((quantity, day), used) in one.meter.days() {
            let figures = all.entry(*day).or_insert_with(none);
            figures[place(*quantity)].used = Some(used.text());
        }
        for series in usage["series"].as_array().into_iter().flatten().filter(|s| s["device"] == *one.meter.serial) {
            let Some(place) = METRICS.iter().position(|(_, metric)| series["metric"] == *metric) else { continue };
            for point in series["points"].as_array().into_iter().flatten() {
                let Some(day) = point["period"].as_str().and_then(|day| day.parse().ok()) else { continue };
                let sum = point["sum"].as_str().unwrap_or_default().to_owned();
                let count = point["count"].as_u64().unwrap_or_default();
                all.entry(day).or_insert_with(none)[place].served = Some((sum, count));
            }
        }
        let (meter, standard) = (&one.meter.serial, one.meter.version.to_string());
        days.extend(all.into_iter().map(|(day, figures)| MeterDay {
            meter: meter.clone(),
            standard: standard.clone(),
            day,
            figures,
        }));
    }
    Ok(days)
}

fn place(quantity: Quantity) -> usize {
    METRICS.iter().position(|(of, _)| *of == quantity).unwrap_or_default()
}

impl Day {
    /// The sum as the API writes it, and the number of readings.
    fn text(&self) -> (String, u64) {
        (crate::fleet::feed::decimal(self.sum.into(), 3), self.readings)
    }
}

impl MetersReport {
    pub fn figures(&self) -> usize {
        self.days.len() * METRICS.len()
    }

    /// Those that are not what the meters used.
    pub fn wrong(&self) -> impl Iterator<Item = (&MeterDay, &DayFigure)> {
        let all = self.days.iter().flat_map(|day| day.figures.iter().map(move |figure| (day, figure)));
        all.filter(|(_, figure)| figure.served != figure.used)
    }

    pub fn is_right(&self) -> bool {
        self.wrong().next().is_none()
    }
}
