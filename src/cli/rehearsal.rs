//! What `simulate` and `demo` share: a fleet against a server, from the plan to the last figure, and how it is shown.

use std::time::{Duration, Instant};

use chrono::{Datelike, NaiveDate, TimeDelta};
use comfy_table::{CellAlignment, Table, TableComponent, presets};
use serde::Serialize;

use crate::cli::progress::{Progress, Unit};
use crate::cli::{Failure, say};
use crate::client::{Client, Outcome, Verdicts};
use crate::fleet::feed::Feed;
use crate::fleet::ledger::{Ledger, Level};
use crate::fleet::{Fleet, Plan};
use crate::simulation::{self, Comparison, Pace};

/// What came of a run.
#[derive(Debug, Serialize)]
pub struct Rehearsal {
    pub seed: u64,
    pub devices: usize,
    pub from: NaiveDate,
    pub until: NaiveDate,
    /// Different readings of the fleet, each counted once.
    pub readings: u64,
    pub verdicts: Verdicts,
    pub posting_seconds: f64,
    /// From the last answer to the last rollup.
    pub rollup_seconds: f64,
    /// Figures compared; 0 when the comparison was left out.
    pub figures: usize,
    pub wrong: Vec<Comparison>,
    /// The first few readings that the server refused.
    pub refused: Vec<Outcome>,
    #[serde(skip)]
    pub compared: Vec<Comparison>,
}

/// How long rollups may take to follow before that is a failure.
const PATIENCE: Duration = Duration::from_secs(900);

/// Registers the fleet, sends it, waits for the rollups, compares.
pub async fn rehearse(client: &Client, fleet: &Fleet, pace: Pace, check: bool) -> Result<Rehearsal, Failure> {
    simulation::register(client, fleet).await?;
    let ledgers: Vec<_> = fleet.providers.iter().map(|roster| Ledger::of(fleet, roster)).collect();
    let total = Feed::new(fleet, pace.batch).map(|batch| batch.readings.len() as u64).sum();
    let started = Instant::now();
    let progress = Progress::new("sending", total, Unit::Number);
    let report = simulation::send(client, fleet, pace, |so_far| progress.at(so_far.received)).await?;
    drop(progress);
    let (posted, Plan { seed, from, until, .. }) = (started.elapsed(), fleet.plan);
    let mut rehearsal = Rehearsal {
        seed,
        devices: fleet.devices(),
        from,
        until,
        readings: ledgers.iter().map(|ledger| ledger.readings).sum(),
        verdicts: report.verdicts,
        posting_seconds: rounded(posted),
        rollup_seconds: 0.0,
        figures: 0,
        wrong: Vec::new(),
        refused: report.refused,
        compared: Vec::new(),
    };
    if check {
        let waiting = Progress::new("waiting for the rollups", 0, Unit::Number);
        simulation::wait_until_fresh(client, fleet, PATIENCE).await?;
        rehearsal.rollup_seconds = rounded(started.elapsed() - posted);
        drop(waiting);
        for ledger in &ledgers {
            rehearsal.compared.extend(simulation::compare(client, fleet, ledger).await?);
        }
        rehearsal.figures = rehearsal.compared.iter().map(|compared| compared.figures.len()).sum();
        rehearsal.wrong = rehearsal.compared.iter().filter(|compared| !compared.is_right()).cloned().collect();
    }
    Ok(rehearsal)
}

fn rounded(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}

impl Rehearsal {
    /// Nothing refused, no figure wrong.
    pub fn is_right(&self) -> bool {
        self.verdicts.refused() == 0 && self.wrong.is_empty()
    }

    /// What came of it, in words.
    pub fn summary(&self) -> String {
        let verdicts = &self.verdicts;
        let rate = verdicts.received as f64 / self.posting_seconds.max(0.001);
        let mut text = format!(
            "{} devices sent {} readings in {:.1} s ({rate:.0} a second): {} stored, {} duplicates, {} refused.",
            self.devices,
            verdicts.received,
            self.posting_seconds,
            verdicts.stored,
            verdicts.duplicates,
            verdicts.refused(),
        );
        if self.figures > 0 {
            let wrong = match self.wrong.len() {
                0 => "each is exactly what was sent".to_owned(),
                wrong => format!("{wrong} ARE WRONG"),
            };
            text += &format!(
                "\nThe rollups had all of it {:.1} s later. {} figures compared: {wrong}.",
                self.rollup_seconds, self.figures
            );
        }
        text
    }

    /// Says loudly what is wrong, up to a number of lines.
    pub fn complain(&self) {
        const MOST: usize = 40;
        for outcome in &self.refused {
            say(&format!("REFUSED: {} {}: {}", outcome.status, outcome.code, outcome.detail));
        }
        for wrong in self.wrong.iter().take(MOST) {
            for figure in wrong.figures.iter().filter(|figure| figure.served != figure.sent) {
                let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
                say(&format!(
                    "WRONG: {} {} {} {} {} {}: served {}, sent {}",
                    wrong.provider,
                    wrong.level.name(),
                    wrong.entity,
                    wrong.period,
                    wrong.metric,
                    figure.stat,
                    side(&figure.served),
                    side(&figure.sent)
                ));
            }
        }
        if self.wrong.len() > MOST {
            say(&format!("... and {} more", self.wrong.len() - MOST));
        }
    }

    /// A selection of the figures beside what was sent.
    pub fn tables(&self, fleet: &Fleet) -> String {
        let month = self.last_whole_month();
        let last_days = [3, 2, 1].map(|back| (self.until - TimeDelta::days(back)).to_string());
        let roster = |c: &Comparison| fleet.providers.iter().find(|roster| roster.catalog.key == c.provider);
        let is_main = |c: &Comparison| roster(c).is_some_and(|roster| roster.catalog.metrics[0].key == c.metric);
        let is_early = |c: &Comparison| {
            roster(c).is_some_and(|roster| roster.devices.iter().take(4).any(|device| device.key == c.entity))
        };
        let of = |level| self.compared.iter().filter(move |c| c.level == level);
        let of_month = |level| of(level).filter(|c| c.period == month);
        let customers = format!("Customers, each with its sub-customers, {month}");
        [
            table("Providers by month", fleet, of(Level::Provider).filter(|c| c.is_of_month())),
            table("Providers by day", fleet, of(Level::Provider).filter(|c| last_days.contains(&c.period))),
            table(&customers, fleet, of_month(Level::Customer).filter(|c| is_main(c))),
            table(&format!("Groups, {month}"), fleet, of_month(Level::Group).filter(|c| is_main(c))),
            table(&format!("Some devices, {month}"), fleet, of_month(Level::Device).filter(|c| is_early(c))),
        ]
        .join("\n\n")
    }

    /// The month before the one in which the readings end, or that one itself where they do not reach back so far.
    fn last_whole_month(&self) -> String {
        let first = self.until.with_day(1).unwrap_or(self.until);
        let before = first.pred_opt().unwrap_or(first);
        (if before >= self.from { before } else { first }).format("%Y-%m").to_string()
    }
}

/// The first statistic of each and its active devices, served and sent.
fn table<'a>(title: &str, fleet: &Fleet, rows: impl Iterator<Item = &'a Comparison>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_header(["provider", "", "period", "figure", "served", "sent", "active: served", "sent", ""]);
    for column in 4..=7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|row| (fleet.providers.iter().position(|r| r.catalog.key == row.provider), &row.entity));
    // A customer at the top is compared by itself and among others.
    rows.dedup_by_key(|row| (row.provider, &row.entity, &row.period, row.metric));
    for row in rows {
        let Some(main) = row.figures.first() else { continue };
        let active = row.figures.iter().find(|figure| figure.stat == "active_devices");
        let text = |value: Option<&Option<String>>| value.cloned().flatten().unwrap_or_else(|| "-".to_owned());
        let roster = fleet.providers.iter().find(|roster| roster.catalog.key == row.provider);
        let unit = roster.map_or("", |roster| roster.metric(row.metric).unit);
        table.add_row([
            row.provider.to_owned(),
            if row.level == Level::Provider { String::new() } else { row.entity.clone() },
            row.period.clone(),
            format!("{} {}, {unit}", main.stat, row.metric),
            text(Some(&main.served)),
            text(Some(&main.sent)),
            text(active.map(|figure| &figure.served)),
            text(active.map(|figure| &figure.sent)),
            if row.is_right() { "✓" } else { "✗ WRONG" }.to_owned(),
        ]);
    }
    format!("{title}\n{table}")
}
