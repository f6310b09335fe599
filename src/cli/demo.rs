//! `meterbase demo`

use clap::Args;
use clap::builder::FalseyValueParser;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use crate::cli::meters;
use crate::cli::rehearsal::rehearse;
use crate::cli::simulate::SizeArgs;
use crate::cli::target::revoke;
use crate::cli::{DatabaseArgs, Failure, print, say, until};
use crate::client::Client;
use crate::database::Database;
use crate::embedded::Role;
use crate::fleet::Fleet;
use crate::keys::{self, Scope};
use crate::server::{ServeConfig, Server};
use crate::simulation::{self, Pace};

/// Run the server with a simulated fleet in it and show its figures
///
/// Starts a server, posts two months of readings of a simulated fleet through the API, and shows daily and monthly
/// figures beside what was sent; every figure is compared. Three smart meters register themselves, wait for approval, post P1
/// telegrams over the last two changes of clocks and hear of another interval; their days are compared too. Then it serves
/// until Ctrl-C. Running it again on the same database adds the days since.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase demo
  meterbase demo --once
  DATABASE_URL=postgres://meterbase:secret@db/meterbase meterbase demo --listen 0.0.0.0:8080

Exit status: 0 all figures are right; 1 one is wrong, or it could not be done; 2 wrong usage.")]
pub struct DemoArgs {
    /// Stop after the figures instead of serving on
    #[arg(long, env = "METERBASE_DEMO_ONCE", value_parser = FalseyValueParser::new())]
    once: bool,
    /// Host and port to listen on; port 0 takes any free one [default: 127.0.0.1:8080, with --once any free port]
    #[arg(long, env = "METERBASE_LISTEN", value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Host and port on which there are the metrics and nothing else, in plain HTTP; then they are not among the API
    #[arg(long, env = "METERBASE_LISTEN_METRICS", value_name = "HOST:PORT")]
    listen_metrics: Option<String>,
    #[command(flatten, next_help_heading = "Size of the fleet")]
    size: SizeArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Name of the keys that a demo makes.
const KEY_NAME: &str = "meterbase demo";

impl DemoArgs {
    pub async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        self.size.plan()?;
        let database = until(stop.clone(), self.database.open(Role::Server)).await?;
        let shown = self.serve(&database, stop).await;
        let closed = database.close().await;
        shown?;
        Ok(closed?)
    }

    async fn serve(&self, database: &Database, stop: CancellationToken) -> Result<(), Failure> {
        let usual = if self.once { "127.0.0.1:0" } else { "127.0.0.1:8080" };
        let listen = self.listen.clone().unwrap_or_else(|| usual.to_owned());
        let listen_metrics = self.listen_metrics.clone();
        let server = Server::start(&ServeConfig { listen, listen_metrics, ..ServeConfig::default() }, database).await?;
        let shown = until(stop.clone(), self.show(&server, database)).await;
        if shown.is_err() || self.once {
            let stopped = server.stop().await;
            shown?;
            return Ok(stopped?);
        }
        say("Serving until Ctrl-C.");
        Ok(server.run_until(stop).await?)
    }

    /// Loads the fleet and prints its figures; then where everything is.
    async fn show(&self, server: &Server, database: &Database) -> Result<(), Failure> {
        let found = server.found();
        let edition = found.edition;
        say(&format!("PostgreSQL {} with TimescaleDB {} ({edition} edition)", found.postgres, found.timescaledb));
        let mut db = database.connect().await?;
        // Those of runs before have ended with them.
        revoke(&mut db, KEY_NAME).await?;
        let admin = keys::create(&mut db, Scope::Admin, None, Some(KEY_NAME), None).await?.reveal();
        let url = reachable(server.url());
        let client = Client::new(&url, &admin)?;
        let fleet = Fleet::new(simulation::settle(&client, self.size.plan()?).await?);
        say(&format!("Sending the readings of a fleet {} through the API", fleet.plan));
        let rehearsal = rehearse(&client, &fleet, Pace::default(), true).await?;
        print(&rehearsal.tables(&fleet))?;
        print(&format!("\n{}\n", rehearsal.summary()))?;
        if !rehearsal.is_right() {
            rehearsal.complain();
            return Err(Failure::Failed("the figures are NOT those of the fleet, see above".to_owned()));
        }
        say("Letting smart meters register themselves and send telegrams");
        let report = simulation::meters::run(&client, &fleet.plan).await?;
        print(&format!("\n{}\n\n{}\n", meters::table(&report), meters::summary(&report)))?;
        if !report.is_right() {
            meters::complain(&report);
            return Err(Failure::Failed("the figures are NOT those of the meters, see above".to_owned()));
        }
        if self.once { Ok(()) } else { print(&directions(server, &admin, &mut db, database, &fleet).await?) }
    }
}

/// Where everything is, and what to try.
async fn directions(
    server: &Server,
    admin: &str,
    db: &mut PgConnection,
    database: &Database,
    fleet: &Fleet,
) -> Result<String, Failure> {
    let (url, metrics) = (reachable(server.url()), reachable(server.metrics_url()));
    let roster = &fleet.providers[0];
    let (provider, metric) = (roster.catalog.key, roster.catalog.metrics[0].key);
    let customer = roster.catalog.customers[0].key;
    let id = sqlx::query_scalar("SELECT provider_id FROM provider WHERE key = $1::text").bind(provider);
    let id: i32 = id.fetch_one(&mut *db).await?;
    let key = keys::create(db, Scope::Provider, Some(id), Some(KEY_NAME), None).await?.reveal();
    let sql = database.embedded().map_or_else(|| "psql \"$DATABASE_URL\"".to_owned(), |embedded| embedded.psql());
    let (from, to) = (fleet.plan.from.format("%Y-%m-01"), fleet.plan.until + chrono::TimeDelta::days(1));
    Ok(format!(
        "\
Dashboard      {url}/
API and tries  {url}/docs
Metrics        {metrics}
SQL            {sql}
Admin key      {admin}
Key of {provider} (shown this once)
               {key}

The months of a customer with all its sub-customers:
  curl -s -H 'Authorization: Bearer {key}' \\
    '{url}/v1/usage?metric={metric}&scope=customer:{customer}&bucket=month&from={from}&to={to}'
"
    ))
}

/// The address to call a server at that listens on all of them.
fn reachable(url: &str) -> String {
    url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
}
