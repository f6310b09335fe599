//! `meterbase rollups status`, `refresh` and `rebuild`

use chrono::{DateTime, Utc};
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table, presets};
use sqlx::PgConnection;

use crate::cli::database::ready;
use crate::cli::progress::{Progress, Unit};
use crate::cli::range::RangeArgs;
use crate::cli::{DatabaseArgs, Failure, print, print_json, say};
use crate::database::{Database, Edition};
use crate::embedded::Role;
use crate::rollup;
use crate::rollup::rebuild::{self, Rebuild};
use crate::rollup::status::{self, Relation, Status};

/// Look at the rollups, bring them up to date, or make them anew
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct RollupsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how far the rollups are: from when to when they hold figures, their sizes, and the changes still to be followed
    Status(StatusArgs),
    /// Follow all pending changes now
    ///
    /// Servers do this by themselves. With a range its hours are followed once more, as if all of its readings had
    /// changed. Works beside running servers; broken off, it goes on when run again, or a server does it.
    Refresh(RefreshArgs),
    /// Recompute all figures of a range from readings, whether these changed or not
    ///
    /// For figures that were damaged, as `meterbase verify` tells. Without a range it goes on with a rebuild that was
    /// broken off, or rebuilds everything. Works beside running servers. Nothing is rebuilt from readings or rollups that
    /// are no longer kept.
    Rebuild(RebuildArgs),
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// As a JSON object
    #[arg(long, env = "METERBASE_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
struct RefreshArgs {
    #[command(flatten)]
    range: RangeArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
struct RebuildArgs {
    #[command(flatten)]
    range: RangeArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl RollupsArgs {
    pub async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Status(args) => {
                args.database.with(Role::Command, async |database| show(database, args.json).await).await
            }
            Command::Refresh(args) => {
                args.database.with(Role::Command, async |database| refresh(database, args.range).await).await
            }
            Command::Rebuild(args) => {
                args.database.with(Role::Command, async |database| rebuild(database, args.range).await).await
            }
        }
    }
}

async fn opened(database: &Database) -> Result<(PgConnection, Edition), Failure> {
    let mut db = database.connect().await?;
    let found = ready(&mut db).await?;
    Ok((db, found.edition))
}

async fn show(database: &Database, json: bool) -> Result<(), Failure> {
    let (mut db, edition) = opened(database).await?;
    let status = Status::read(&mut db, edition).await?;
    if json { print_json(&status) } else { print(&page(&status)) }
}

async fn refresh(database: &Database, range: RangeArgs) -> Result<(), Failure> {
    let (from, to) = range.days()?;
    let (mut db, edition) = opened(database).await?;
    if range.is_given() {
        let queued = rollup::queue(&mut db, from, to).await?;
        say(&format!("{queued} hours are queued"));
    }
    let total = status::pending(&mut db).await?.changes;
    say(&format!("{total} changes to follow"));
    let progress = Progress::new("changes", total.unsigned_abs(), Unit::Number);
    let mut newest = true;
    while rollup::step(&mut db, edition, newest).await? {
        newest = !newest;
        let left = status::pending(&mut db).await?.changes;
        progress.at(total.saturating_sub(left).max(0).unsigned_abs());
    }
    drop(progress);
    say("all changes are in the rollups");
    Ok(())
}

async fn rebuild(database: &Database, range: RangeArgs) -> Result<(), Failure> {
    let (from, to) = range.days()?;
    let (mut db, edition) = opened(database).await?;
    let Some(mut rebuild) = found_or_begun(&mut db, from, to).await? else {
        say("there is nothing to rebuild");
        return Ok(());
    };
    let days = |from: DateTime<Utc>, to: DateTime<Utc>| (to - from).num_days().unsigned_abs();
    say(&format!(
        "rebuilding {} days from {}; interrupted, it goes on when run again",
        days(rebuild.done_to, rebuild.to),
        rebuild.done_to.date_naive()
    ));
    let progress = Progress::new("days", days(rebuild.from, rebuild.to), Unit::Number);
    while rebuild.part(&mut db, edition).await? {
        progress.at(days(rebuild.from, rebuild.done_to));
        progress.note(&rebuild.done_to.date_naive().to_string());
    }
    drop(progress);
    let changed = match edition {
        Edition::Apache => format!("{} rows were not right", rebuild.changed),
        Edition::Community => format!("{} windows were refreshed", rebuild.changed),
    };
    say(&format!("rebuilt {} to {}: {changed}", rebuild.from.date_naive(), rebuild.to.date_naive()));
    for left in Rebuild::unfinished(&mut db).await? {
        let (from, to) = (left.from.date_naive(), left.to.date_naive());
        say(&format!("a rebuild of {from} to {to} is not done; run `meterbase rollups rebuild` to go on with it"));
    }
    Ok(())
}

/// The rebuild of this range that was broken off, without a range any; else a new one. None where there is nothing.
async fn found_or_begun(
    db: &mut PgConnection,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
) -> Result<Option<Rebuild>, Failure> {
    let unfinished = Rebuild::unfinished(db).await?;
    let same = |rebuild: &Rebuild| from.is_none_or(|at| at == rebuild.from) && to.is_none_or(|at| at == rebuild.to);
    if let Some(found) = unfinished.into_iter().find(same) {
        say(&format!("going on with the rebuild of {} to {}", found.from.date_naive(), found.to.date_naive()));
        return Ok(Some(found));
    }
    let Some((first, last)) = rebuild::bounds(db).await? else { return Ok(None) };
    let (from, to) = (from.unwrap_or(first), to.unwrap_or(last));
    if from >= to { Ok(None) } else { Ok(Some(Rebuild::begin(db, from, to).await?)) }
}

fn page(status: &Status) -> String {
    let time = |at: Option<DateTime<Utc>>| at.map_or("-".to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string());
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["", "oldest", "newest", "kept from", "chunks", "compressed", "MiB"]);
    for relation in &status.relations {
        let Relation { name, oldest, newest, chunks, compressed_chunks, bytes, kept_from } = relation;
        table.add_row([
            name.clone(),
            time(*oldest),
            time(*newest),
            time(*kept_from),
            chunks.to_string(),
            compressed_chunks.to_string(),
            (bytes / (1 << 20)).to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let pending = match status.pending.since {
        None => "all changes are in the rollups".to_owned(),
        Some(since) => format!(
            "{} changes in {} hours to follow, the oldest of {}",
            status.pending.changes,
            status.pending.hours,
            time(Some(since))
        ),
    };
    let refresher = match &status.refresher {
        None => "nobody at this moment".to_owned(),
        Some(found) => format!("{} (process {} of PostgreSQL)", found.application, found.pid),
    };
    let rebuilds = status.rebuilds.iter().map(|rebuild| {
        let [from, to, done] = [rebuild.from, rebuild.to, rebuild.done_to].map(|at| at.date_naive());
        format!("\nrebuild   {from} to {to}, done up to {done}")
    });
    let verified = status.last_verification.as_ref().map_or("never".to_owned(), |run| {
        let (compared, differences) = (run.compared, run.differences);
        format!("{}: {}, {compared} rows compared, {differences} differ", time(Some(run.finished_at)), run.scope)
    });
    format!(
        "edition   {}\npending   {pending}\nworking   {refresher}{}\nverified  {verified}\n\nTimes are UTC.\n{table}",
        status.edition,
        rebuilds.collect::<String>()
    )
}
