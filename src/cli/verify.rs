//! `meterbase verify`

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use clap::Args;
use clap::builder::FalseyValueParser;
use tokio_util::sync::CancellationToken;

use crate::cli::database::ready;
use crate::cli::progress::{Progress, Unit};
use crate::cli::range::RangeArgs;
use crate::cli::{DatabaseArgs, Failure, print, say};
use crate::database::Database;
use crate::embedded::Role;
use crate::rollup;
use crate::rollup::definition::Period;
use crate::verify::difference::{Check, Difference};
use crate::verify::sample::Sample;
use crate::verify::scope::{Named, NotFound, Scope};
use crate::verify::{self, Ask, Listener, Summary};

/// Prove that the figures are what the readings say
///
/// Recomputes rollups from readings by plain SQL, a UTC day and month at a time, and compares every row; looks also
/// whether readings carry the owner and billing day that the registry says, and add what their values say; what registers
/// add, and which of their readings are under suspicion, is folded again from their readings, replacements, decisions and
/// rules, as the server folds them. First follows the changes that are pending; what changes meanwhile is left out.
/// Months are compared with the readings where the range holds them whole; of a sample, and where readings are no longer
/// kept, the levels of rollups with each other. Each difference is a line on standard output. Exit status 1 when there
/// is one.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase verify                                   everything
  meterbase verify --from 2026-10-01 --to 2026-11-01
  meterbase verify --provider northwind --customer acme
  meterbase verify --sample 5%                       a random 5 % of the days")]
pub struct VerifyArgs {
    #[command(flatten)]
    range: RangeArgs,
    /// Only what is of this provider
    #[arg(long, env = "METERBASE_PROVIDER", value_name = "KEY")]
    provider: Option<String>,
    /// Only what is of this customer and its sub-customers
    #[arg(long, env = "METERBASE_CUSTOMER", value_name = "KEY", conflicts_with_all = ["group", "device"])]
    customer: Option<String>,
    /// Only what is of this group
    #[arg(long, env = "METERBASE_GROUP", value_name = "KEY", conflicts_with = "device")]
    group: Option<String>,
    /// Only what is of this device
    #[arg(long, env = "METERBASE_DEVICE", value_name = "KEY")]
    device: Option<String>,
    /// Only some days, drawn at random: 5% of them, or 3d for three days
    #[arg(long, env = "METERBASE_SAMPLE", value_name = "PERCENT|DAYS")]
    sample: Option<Sample>,
    /// What the sample is drawn from, to draw the same one again [default: another one each time, which is told]
    #[arg(long, env = "METERBASE_SEED", value_name = "NUMBER", requires = "sample")]
    seed: Option<u64>,
    /// Only one of the proofs
    #[arg(long, env = "METERBASE_ONLY", value_name = "PROOF")]
    only: Option<Check>,
    /// Most differences to print; all are counted
    #[arg(long, env = "METERBASE_LIMIT", value_name = "NUMBER", default_value = "1000")]
    limit: u64,
    /// One JSON object a line for each difference, and one in the end with the counts
    #[arg(long, env = "METERBASE_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl VerifyArgs {
    pub async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        let reached = Mutex::new(None);
        let work = self.database.with(Role::Command, async |database| self.compare(database, &reached).await);
        if let Some(done) = stop.run_until_cancelled(work).await {
            return done;
        }
        let reached = reached.into_inner().unwrap_or_else(PoisonError::into_inner);
        Err(Failure::Failed(match reached {
            Some(day) if self.sample.is_none() => format!("interrupted; go on with --from {}", day.date_naive()),
            _ => "interrupted".to_owned(),
        }))
    }

    /// Notes in `reached` from which day on something is still to be compared.
    async fn compare(&self, database: &Database, reached: &Mutex<Option<DateTime<Utc>>>) -> Result<(), Failure> {
        let (from, to) = self.range.days()?;
        let mut db = database.connect().await?;
        let found = ready(&mut db).await?;
        let scope = Scope::find(&mut db, self.provider.as_deref(), self.named().as_ref()).await.map_err(usage)?;
        let seed = || self.seed.unwrap_or_else(|| Utc::now().timestamp_micros().cast_unsigned() % 1_000_000);
        let sample = self.sample.map(|sample| (sample, seed()));
        let ask = Ask { from, to, scope, only: self.only, sample, name: "" };
        if let Some((_, seed)) = sample {
            say(&format!("the sample's seed is {seed}"));
        }
        rollup::refresh(&mut db, found.edition).await?;
        let mut printer = Printer { args: self, from, reached, progress: None, printed: 0, more: 0, broken: None };
        let summary = verify::run(&mut db, &ask, &mut printer).await?;
        printer.end(&ask, &summary)?;
        if summary.differences > 0 { Err(Failure::Reported) } else { Ok(()) }
    }

    fn named(&self) -> Option<Named> {
        let customer = self.customer.clone().map(Named::Customer);
        customer.or(self.group.clone().map(Named::Group)).or(self.device.clone().map(Named::Device))
    }
}

fn usage(error: NotFound) -> Failure {
    match error {
        NotFound::Several(_) => Failure::Usage(error.to_string()),
        error => error.into(),
    }
}

/// Prints differences up to the limit, and how far it is.
struct Printer<'a> {
    args: &'a VerifyArgs,
    from: Option<DateTime<Utc>>,
    reached: &'a Mutex<Option<DateTime<Utc>>>,
    progress: Option<Progress>,
    printed: u64,
    more: u64,
    /// That standard output took no more.
    broken: Option<Failure>,
}

impl Listener for Printer<'_> {
    fn difference(&mut self, difference: &Difference) {
        if self.printed >= self.args.limit {
            self.more += 1;
            return;
        }
        self.printed += 1;
        let line = if self.args.json { serde_json::to_string(difference) } else { Ok(difference.to_string()) };
        let printed = line.map_err(Failure::from).and_then(|line| print(&line));
        self.broken = self.broken.take().or(printed.err());
    }

    fn begins(&mut self, at: DateTime<Utc>, done: usize, days: usize) {
        let progress = self.progress.get_or_insert_with(|| {
            say(&format!("comparing {days} days"));
            Progress::new("days", days as u64, Unit::Number)
        });
        progress.at(done as u64);
        progress.note(&at.date_naive().to_string());
        // A month is compared as a whole: broken off, it begins again.
        let from = self.from.unwrap_or(DateTime::<Utc>::MIN_UTC).max(Period::Month.floor(at));
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(from);
    }
}

impl Printer<'_> {
    fn end(self, ask: &Ask, summary: &Summary) -> Result<(), Failure> {
        drop(self.progress);
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        if self.args.json {
            print(&serde_json::to_string(summary)?)?;
        }
        if self.more > 0 {
            say(&format!("{} more differences are not shown (--limit {})", self.more, self.args.limit));
        }
        if summary.left_out > 0 {
            say(&format!("{} rows were left out: their readings have just changed", summary.left_out));
        }
        for rollup in &summary.not_comparable {
            say(&format!("{rollup}: in some time nothing is kept any more that it could be compared with"));
        }
        let (compared, words) = (summary.compared, ask.words());
        say(&match summary.differences {
            0 => format!("{words}: {compared} rows compared, no difference"),
            number => format!("{words}: {compared} rows compared, {number} differ"),
        });
        Ok(())
    }
}
