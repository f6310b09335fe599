//! `meterbase verify` and `meterbase rollups`: what is damaged is found, mended, and nothing else is touched.

pub mod damage;
pub mod operation;
pub mod readings;
pub mod registers;

use meterbase::database::Edition;
use meterbase::rollup::definition::ROLLUPS;
use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use crate::binary::{meterbase, text};
use crate::harness::{Test, TestApp, topic};

use self::{
    damage as verify_damage, operation as verify_operation, readings as verify_readings, registers as verify_registers,
};

pub fn topics() -> Vec<Vec<Test>> {
    vec![
        topic!(verify_damage::{
            damage_at_every_level_is_found_and_mended,
            a_row_that_is_kept_twice_is_found,
            a_range_and_a_sample_are_compared_alone,
            without_readings_levels_are_compared_with_each_other,
        }),
        topic!(verify_operation::{
            a_rebuild_that_is_broken_off_goes_on,
            an_interrupted_verification_says_where_to_go_on,
            changes_that_are_still_to_be_followed_are_no_differences,
            status_tells_what_there_is_and_refresh_follows_it,
            a_server_verifies_on_schedule_and_exports_what_it_finds,
        }),
        topic!(verify_readings::{
            readings_that_carry_something_wrong_are_found,
            only_what_is_named_is_compared,
        }),
        topic!(verify_registers::{
            registers_that_lived_through_everything_verify_clean,
            increments_and_reviews_of_registers_that_were_changed_by_hand_are_found,
            reviews_that_say_something_else_than_the_readings_are_found,
        }),
    ]
}

/// What a run of the binary said.
pub struct Said {
    pub code: Option<i32>,
    /// Lines of standard output, each a JSON value.
    pub lines: Vec<Value>,
    pub stderr: String,
}

/// Runs a command on the test's database.
pub fn command(app: &TestApp, arguments: &[&str]) -> std::process::Command {
    let mut command = meterbase();
    command.args(arguments).args(["--database-url", app.options.to_url_lossy().as_str()]);
    command
}

/// `meterbase verify --json` with more arguments: its differences, then its summary.
pub fn verify(app: &TestApp, arguments: &[&str]) -> Said {
    let output = command(app, &[&["verify", "--json"], arguments].concat()).output().expect("the binary");
    let lines = text(&output.stdout);
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    Said { code: output.status.code(), lines: lines.lines().map(parse).collect(), stderr: text(&output.stderr) }
}

impl Said {
    #[track_caller]
    pub fn summary(&self) -> &Value {
        self.lines.last().unwrap_or_else(|| panic!("no summary: {}", self.stderr))
    }

    /// Each difference as `relation column kept right`, sorted.
    pub fn differences(&self) -> Vec<String> {
        let line = |line: &Value| {
            let part = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            ["relation", "column", "kept", "right"].map(part).join(" ")
        };
        let mut lines: Vec<_> = self.lines.iter().rev().skip(1).map(line).collect();
        lines.sort();
        lines
    }

    /// Nothing differs, and something was compared.
    #[track_caller]
    pub fn expect_clean(&self) -> u64 {
        assert_eq!(self.code, Some(0), "{:?}\n{}", self.lines, self.stderr);
        assert_eq!(self.lines.len(), 1, "{:?}", self.lines);
        assert_eq!((&self.summary()["differences"], &self.summary()["left_out"]), (&0.into(), &0.into()));
        self.summary()["compared"].as_u64().expect("a number")
    }
}

/// The table behind each rollup, with its key columns: what can be damaged by hand.
pub async fn tables(app: &TestApp, db: &mut PgConnection) -> Vec<(String, String, String)> {
    let mut tables = Vec::new();
    for rollup in ROLLUPS.iter() {
        let keys: Vec<_> = rollup.keys.iter().map(|key| key.column).chain(["bucket", rollup.billing()]).collect();
        let place = match app.edition {
            Edition::Apache => rollup.name.clone(),
            Edition::Community => sqlx::query_scalar(
                "SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
                 FROM timescaledb_information.continuous_aggregates WHERE view_name = $1",
            )
            .bind(&rollup.name)
            .fetch_one(&mut *db)
            .await
            .expect("its table"),
        };
        tables.push((rollup.name.clone(), place, keys.join(", ")));
    }
    tables
}

/// Runs a statement that must change exactly one row.
pub async fn change_one(db: &mut PgConnection, sql: String) {
    let done =
        sqlx::query(AssertSqlSafe(sql.clone())).execute(db).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    assert_eq!(done.rows_affected(), 1, "{sql}");
}
