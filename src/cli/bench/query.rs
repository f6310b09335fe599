//! `meterbase bench query`

use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{CellAlignment, Table, TableComponent, presets};
use serde::Serialize;
use sqlx::PgConnection;

use crate::cli::bench::fleet::{self, Loaded};
use crate::cli::bench::machine::Machine;
use crate::cli::bench::output::Output;
use crate::cli::bench::questions::{QUESTIONS, Question};
use crate::cli::bench::registry::{Owners, PROVIDER, Size};
use crate::cli::bench::timing::{Spread, Times};
use crate::cli::progress::{Progress, Unit};
use crate::cli::target::revoke;
use crate::cli::{DatabaseArgs, Failure};
use crate::client::Client;
use crate::database::{self, Database, Edition};
use crate::embedded::Role;
use crate::http::access::Tenant;
use crate::keys::{self, Scope};
use crate::migrate;
use crate::server::{ServeConfig, Server};
use crate::usage::{self, Direct};

/// Measure how fast figures are read, through the API and by the same SQL alone
///
/// Fills a database of its own with the rollups of a fleet, which takes minutes, and asks a server that it runs
/// meanwhile. Every question is asked over HTTP and, right before or after, its statements are run on a connection; the
/// ratio is that of the medians. Run again on the same database, it finds it filled; broken off, it goes on filling.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase bench query --data-dir ./bench
  meterbase bench query --data-dir ./bench --rounds 1000 --json -")]
pub struct QueryArgs {
    /// Devices of the fleet
    #[arg(long, env = "METERBASE_DEVICES", value_name = "NUMBER", default_value = "500000",
        value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    devices: u32,
    #[command(flatten)]
    owners: Owners,
    /// Rounds; questions that read every device are asked in one of four
    #[arg(long, env = "METERBASE_ROUNDS", value_name = "NUMBER", default_value = "400",
        value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Convert all figures to the columnstore first, as they are when they are some weeks old; else they are rows
    #[arg(long, env = "METERBASE_COLUMNSTORE")]
    columnstore: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// All that is told.
#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    fleet: Size,
    columnstore: bool,
    loaded: Vec<Loaded>,
    questions: Vec<Measured>,
}

/// One question's times.
#[derive(Debug, Serialize)]
struct Measured {
    question: &'static str,
    /// The request of the first round.
    request: String,
    rounds: u32,
    /// Over HTTP, from sending the request to the last byte of the answer.
    http: Spread,
    /// All statements that the server runs for it, alone on a connection, their rows read.
    sql: Spread,
    /// Of those, the ones that read rollups.
    figures: Spread,
    /// Of the medians of `http` and `sql`.
    ratio: f64,
    wanted_p99_ms: Option<f64>,
}

/// Rounds before those that count: connections are made and pages read by them.
const WARM_UP: u32 = 10;

const KEY_NAME: &str = "meterbase bench query";

impl QueryArgs {
    pub async fn run(self) -> Result<(), Failure> {
        let size = self.owners.with(self.devices)?;
        self.database.with(Role::Command, async |database| self.on(database, size).await).await
    }

    async fn on(&self, database: &Database, size: Size) -> Result<(), Failure> {
        let mut db = database.connect().await?;
        let found = database::check(&mut db).await?;
        if self.columnstore && found.edition == Edition::Apache {
            return Err(Failure::Usage("--columnstore: the Apache edition of TimescaleDB has none".to_owned()));
        }
        migrate::run(&mut db, found.edition).await?;
        let loaded = fleet::load(&mut db, found.edition, size).await?;
        if found.edition == Edition::Community {
            fleet::convert(&mut db, self.columnstore).await?;
        }
        // Chunks stay as they are while they are asked.
        let config =
            ServeConfig { listen: "127.0.0.1:0".to_owned(), columnstore_after: None, ..ServeConfig::default() };
        let server = Server::start(&config, database).await?;
        let measured = self.measure(&server, &mut db, found.edition, &size).await;
        let stopped = server.stop().await;
        let report = Report {
            machine: Machine::this(&found),
            fleet: size,
            columnstore: self.columnstore,
            loaded,
            questions: measured?,
        };
        stopped?;
        self.output.tell(&report, &report.table())
    }

    async fn measure(
        &self,
        server: &Server,
        db: &mut PgConnection,
        edition: Edition,
        size: &Size,
    ) -> Result<Vec<Measured>, Failure> {
        let tenant: Tenant = sqlx::query_as(include_str!("../../../sql/keys/tenant.sql"))
            .bind(None::<i32>)
            .bind(PROVIDER)
            .bind(None::<uuid::Uuid>)
            .fetch_one(&mut *db)
            .await?;
        let key = keys::create(db, Scope::Read, Some(tenant.provider_id()), Some(KEY_NAME), None).await?;
        let client = Client::new(server.url(), &key.reveal())?;
        let measured = self.ask_all(&client, db, edition, &tenant, size).await;
        revoke(db, KEY_NAME).await?;
        measured
    }

    async fn ask_all(
        &self,
        client: &Client,
        db: &mut PgConnection,
        edition: Edition,
        tenant: &Tenant,
        size: &Size,
    ) -> Result<Vec<Measured>, Failure> {
        let mut measured = Vec::new();
        for question in &QUESTIONS {
            let rounds = self.rounds.div_ceil(question.every);
            let progress = Progress::new(question.name, rounds.into(), Unit::Number);
            let (mut http, mut sql, mut figures) = (Times::default(), Times::default(), Times::default());
            for round in 0..WARM_UP + rounds {
                let query = question.query(round, size);
                // They take turns in going first, for what comes second finds the pages read.
                let (over_http, alone) = if round % 2 == 0 {
                    let over_http = over_http(question, &query, client).await?;
                    (over_http, alone(question, &query, db, edition, tenant).await?)
                } else {
                    let alone = alone(question, &query, db, edition, tenant).await?;
                    (over_http(question, &query, client).await?, alone)
                };
                if round >= WARM_UP {
                    http.add(over_http);
                    sql.add(alone.all);
                    figures.add(alone.figures);
                    progress.at((round - WARM_UP).into());
                }
            }
            let (http, sql, figures) = (http.spread(), sql.spread(), figures.spread());
            measured.push(Measured {
                question: question.name,
                request: format!("GET /v1/usage?{}", question.query(0, size)),
                rounds,
                http,
                sql,
                figures,
                ratio: http.p50_ms / sql.p50_ms,
                wanted_p99_ms: question.wanted_ms,
            });
        }
        Ok(measured)
    }
}

async fn over_http(question: &Question, query: &str, client: &Client) -> Result<Duration, Failure> {
    let started = Instant::now();
    let answer = client.read(&format!("/v1/usage?{query}")).await;
    let took = started.elapsed();
    answer.map_err(|error| Failure::Failed(format!("{}: {error}", question.name)))?;
    Ok(took)
}

async fn alone(
    question: &Question,
    query: &str,
    db: &mut PgConnection,
    edition: Edition,
    tenant: &Tenant,
) -> Result<Direct, Failure> {
    let failed = |why: String| Failure::Failed(format!("{}: {why}", question.name));
    let direct = usage::direct(db, edition, tenant, query).await.map_err(|problem| failed(format!("{problem:?}")))?;
    if direct.points == 0 {
        return Err(failed("there is nothing to answer with; the data is not whole".to_owned()));
    }
    Ok(direct)
}

impl Report {
    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_style(TableComponent::HeaderLines, '─');
        table.set_style(TableComponent::MiddleHeaderIntersections, '─');
        table.set_header([
            "question",
            "rounds",
            "HTTP p50",
            "p99",
            "SQL p50",
            "p99",
            "figures p50",
            "ratio",
            "wanted p99",
            "",
        ]);
        for column in 1..=8 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for of in &self.questions {
            let ms = |ms: f64| format!("{ms:.2} ms");
            let missed = of.wanted_p99_ms.is_some_and(|wanted| of.http.p99_ms > wanted);
            table.add_row([
                of.question.to_owned(),
                of.rounds.to_string(),
                ms(of.http.p50_ms),
                ms(of.http.p99_ms),
                ms(of.sql.p50_ms),
                ms(of.sql.p99_ms),
                ms(of.figures.p50_ms),
                format!("{:.2}", of.ratio),
                of.wanted_p99_ms.map_or_else(String::new, |wanted| format!("{wanted:.0} ms")),
                if missed { "✗ missed" } else { "" }.to_owned(),
            ]);
        }
        let rows: Vec<_> =
            self.loaded.iter().filter(|of| of.rows > 0).map(|of| format!("{} {}", of.rows, of.rollup)).collect();
        let seconds: f64 = self.loaded.iter().map(|of| of.seconds).sum();
        format!(
            "{}\n{} devices, {} customers, {} groups; rows{}: {}; loaded in {seconds:.0} s\n{WARM_UP} rounds more before those that count\n\n{table}",
            self.machine,
            self.fleet.devices,
            self.fleet.customers,
            self.fleet.groups,
            if self.columnstore { " in the columnstore" } else { "" },
            rows.join(", "),
        )
    }
}
