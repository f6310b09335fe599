//! What happens to a fleet besides readings that arrive: moves, retirements, changes by hand, refreshers that die.

use chrono::{TimeDelta, Utc};
use meterbase::rollup::{self, retention::Keep};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::calendar::{Instant, instant};
use super::dice::Dice;
use super::fleet::{Kind, Provider};
use super::holdings::Channel;
use super::sending::Window;
use crate::harness::TestApp;

/// A refresher that works beside everything else.
pub struct Background {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Background {
    pub fn start(app: &TestApp) -> Self {
        let stop = CancellationToken::new();
        let every = std::time::Duration::from_millis(10);
        let task = tokio::spawn(rollup::run(app.options.clone(), app.edition, Keep::default(), every, stop.clone()));
        Self { stop, task }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("a refresher that ends");
    }

    /// Ends its connection, whatever it is doing.
    pub async fn kill(db: &mut PgConnection) {
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'meterbase rollups'";
        sqlx::query(kill).execute(db).await.expect("a kill");
    }
}

/// Begins to refresh and is killed after so many statements.
pub async fn killed_refresh(app: &TestApp, db: &mut PgConnection, statements: usize) {
    let mut victim = app.db().await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut victim).await.expect("a pid");
    let edition = app.edition;
    let refresh = tokio::spawn(async move { rollup::refresh(&mut victim, edition).await });
    let (mut seen, mut number) = (String::new(), 0);
    while number <= statements && !refresh.is_finished() {
        let activity = sqlx::query_scalar("SELECT md5(query) FROM pg_stat_activity WHERE pid = $1").bind(pid);
        let now: String = activity.fetch_optional(&mut *db).await.expect("its activity").unwrap_or_default();
        if now != seen {
            (seen, number) = (now, number + 1);
        }
    }
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(db).await.expect("a kill");
    // Whether it was hit in time or had ended: nothing may be wrong afterwards.
    let _ = refresh.await.expect("the task");
}

impl Provider {
    /// A device gets another owner: now, or as of some time in the past.
    pub async fn random_move(&mut self, app: &TestApp, dice: &mut Dice, windows: &[Window]) {
        let device = dice.below(self.devices.len());
        if self.devices[device].is_retired() {
            return self.put_device_now(app, dice, device).await;
        }
        let owner = self.random_owner(dice);
        let (from, to) = dice.of(windows);
        let at = from + TimeDelta::minutes(dice.between(0, (to - from).num_minutes()));
        if at >= Utc::now() || dice.percent(25) {
            return self.put_device_now(app, dice, device).await;
        }
        let body = json!({"customer": self.customers[owner.0].key,
            "group": owner.1.map(|place| &self.groups[place].key), "at": at});
        let path = format!("/v1/devices/{}/moves", self.devices[device].key);
        app.post(&self.token, &path, body).await.expect_status(200);
        self.move_device(device, owner, at);
        self.compare_owners(app, device).await;
    }

    /// Put with another owner or the same one: a move as of now, and back into service.
    async fn put_device_now(&mut self, app: &TestApp, dice: &mut Dice, device: usize) {
        let owner = self.random_owner(dice);
        let is_same = self.devices[device].owners.last().is_some_and(|last| last.to.is_none() && last.owner == owner);
        let begun = Utc::now();
        self.put_device(app, device, owner).await;
        if !is_same {
            // When exactly is for the server to say.
            let at = self.told_owners(app, device).await.pop().and_then(|last| last.0).expect("a start");
            assert!(begun <= at && at <= Utc::now(), "{at}");
            self.move_device(device, owner, at);
        }
        self.compare_owners(app, device).await;
    }

    pub async fn retire(&mut self, app: &TestApp, dice: &mut Dice) {
        let device = dice.below(self.devices.len());
        if self.devices[device].is_retired() {
            return self.put_device_now(app, dice, device).await;
        }
        app.delete(&self.token, &format!("/v1/devices/{}", self.devices[device].key)).await.expect_status(204);
        let to = self.told_owners(app, device).await.pop().and_then(|last| last.1);
        self.devices[device].owners.last_mut().expect("an owner").to = Some(to.expect("an end"));
        self.compare_owners(app, device).await;
    }

    /// Start, end, customer and group of each assignment, as the server says.
    async fn told_owners(
        &self,
        app: &TestApp,
        device: usize,
    ) -> Vec<(Option<Instant>, Option<Instant>, String, Option<String>)> {
        let path = format!("/v1/devices/{}/assignments", self.devices[device].key);
        let page = app.get(&self.token, &path).await.expect_status(200).json();
        let item = |item: &serde_json::Value| {
            let text = |name: &str| item[name].as_str().map(str::to_owned);
            let at = |name: &str| text(name).map(|text| instant(&text));
            (at("from"), at("to"), text("customer").expect("a customer"), text("group"))
        };
        page["items"].as_array().expect("items").iter().map(item).collect()
    }

    async fn compare_owners(&self, app: &TestApp, device: usize) {
        let name = |one: &super::fleet::Ownership| {
            let group = one.owner.1.map(|place| self.groups[place].key.clone());
            (one.from, one.to, self.customers[one.owner.0].key.clone(), group)
        };
        let expected: Vec<_> = self.devices[device].owners.iter().map(name).collect();
        assert_eq!(self.told_owners(app, device).await, expected, "{}", self.devices[device].key);
    }

    /// Readings of a channel are deleted in psql.
    pub async fn delete_by_hand(&mut self, dice: &mut Dice, db: &mut PgConnection) {
        let Some(channel) = self.random_channel(dice) else { return };
        let (from, to) = self.part(dice, &channel);
        let done = self.by_hand(db, &channel, (from, to), "DELETE FROM reading AS r USING", "").await;
        let readings = self.readings.get_mut(&channel).expect("the channel");
        let before = readings.len();
        readings.retain(|(at, _), _| *at < from || *at > to);
        assert_eq!(done, (before - readings.len()) as u64);
    }

    /// Readings of a channel are updated in psql.
    pub async fn update_by_hand(&mut self, dice: &mut Dice, db: &mut PgConnection) {
        let Some(channel) = self.random_channel(dice) else { return };
        let (from, to) = self.part(dice, &channel);
        let set = "SET value = value / 2 - 7, increment = increment / 2 + 3 FROM";
        let done = self.by_hand(db, &channel, (from, to), "UPDATE reading AS r", set).await;
        let readings = self.readings.get_mut(&channel).expect("the channel");
        let changed = readings.iter_mut().filter(|((at, _), _)| *at >= from && *at <= to);
        let mut number = 0;
        for (_, reading) in changed {
            (reading.value, reading.increment, number) = (reading.value / 2 - 7, reading.increment / 2 + 3, number + 1);
        }
        assert_eq!(done, number);
    }

    /// A channel with readings; none of registers, whose increments are nobody's to change.
    fn random_channel(&self, dice: &mut Dice) -> Option<Channel> {
        let is_free = |metric: usize| self.metrics[metric].kind != Kind::Register;
        let there = self.readings.iter().filter(|((_, metric, _), readings)| is_free(*metric) && !readings.is_empty());
        let channels: Vec<_> = there.map(|(channel, _)| channel.clone()).collect();
        if channels.is_empty() { None } else { Some(dice.of(&channels)) }
    }

    /// The instants of two of a channel's readings, or twice that of one.
    fn part(&self, dice: &mut Dice, channel: &Channel) -> (Instant, Instant) {
        let instants: Vec<Instant> = self.readings[channel].keys().map(|(at, _)| *at).collect();
        let (one, other) = (dice.of(&instants), dice.of(&instants));
        if dice.percent(40) { (one, one) } else { (one.min(other), one.max(other)) }
    }

    /// Runs a statement on the readings of a channel within two instants.
    async fn by_hand(
        &self,
        db: &mut PgConnection,
        (device, metric, dimensions): &Channel,
        (from, to): (Instant, Instant),
        before: &str,
        after: &str,
    ) -> u64 {
        let sql = format!(
            "{before} {after} channel c JOIN device d USING (device_id) JOIN metric m USING (metric_id)
             JOIN provider p ON p.provider_id = c.provider_id
             WHERE r.channel_id = c.channel_id AND p.key = $1::text AND d.key = $2::text AND m.key = $3::text
               AND c.dimensions = $4 AND r.ts BETWEEN $5 AND $6"
        );
        let statement = sqlx::query(AssertSqlSafe(sql))
            .bind(&self.key)
            .bind(&self.devices[*device].key)
            .bind(&self.metrics[*metric].key)
            .bind(sqlx::types::Json(dimensions))
            .bind(from)
            .bind(to);
        statement.execute(db).await.expect("a change by hand").rows_affected()
    }
}
