//! `meterbase import`

mod mapping;
mod resume;
mod source;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use clap::builder::FalseyValueParser;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::cli::import::mapping::{Mapping, Renamed};
use crate::cli::import::resume::Resume;
use crate::cli::import::source::{Batch, Format, Refused, Source, SourceError, is_stdin};
use crate::cli::progress::{Progress, Unit};
use crate::cli::target::TargetArgs;
use crate::cli::{Failure, print, print_json, say};
use crate::client::{Client, Verdicts};

/// Post the readings in CSV and NDJSON files
///
/// Through the same API as devices, so every row gets its verdict, and a row that was imported before is a duplicate.
/// Files may be compressed with gzip or zstd. An import that was interrupted goes on where it was, as long as file and
/// options are the same; what it knows about that is in FILE.meterbase-import.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase import --provider northwind readings.ndjson.zst
  meterbase import --provider northwind --device meter-1 --metric energy --column at=start load-profile.csv
  zcat old.gz | meterbase import --format csv --url http://127.0.0.1:8080 --key mb_... -

Exit status: 0 every row is stored or was already; 1 a row was refused, or it could not be done; 2 wrong usage.")]
pub struct ImportArgs {
    /// Files to import; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Key or id of the provider; needed unless the key of --url is a provider's own
    #[arg(long, env = "METERBASE_PROVIDER", value_name = "PROVIDER")]
    provider: Option<String>,
    /// Key of the device, where the rows do not name it
    #[arg(long, env = "METERBASE_DEVICE", value_name = "KEY")]
    device: Option<String>,
    /// Key of the metric, where the rows do not name it
    #[arg(long, env = "METERBASE_METRIC", value_name = "KEY")]
    metric: Option<String>,
    /// Which column is a field of the reading: at=start, value=kwh, dimensions.phase=leg...
    #[arg(long, env = "METERBASE_COLUMN", value_name = "FIELD=COLUMN", value_delimiter = ',')]
    column: Vec<Renamed>,
    /// Column to leave out
    #[arg(long, env = "METERBASE_IGNORE", value_name = "COLUMN", value_delimiter = ',')]
    ignore: Vec<String>,
    /// How the files are written [default: by their names]
    #[arg(long, env = "METERBASE_FORMAT", value_name = "FORMAT")]
    format: Option<Format>,
    /// Write refused rows to this CSV file: file, line, status, code, detail
    #[arg(long, env = "METERBASE_REJECTS", value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Begin again, whatever was imported before
    #[arg(long, env = "METERBASE_RESTART", value_parser = FalseyValueParser::new())]
    restart: bool,
    /// Rows of a request
    #[arg(long, env = "METERBASE_BATCH", value_name = "NUMBER", default_value = "5000",
        value_parser = clap::value_parser!(u32).range(1..=50_000))]
    batch: u32,
    /// Requests under way at once
    #[arg(long, env = "METERBASE_CONNECTIONS", value_name = "NUMBER", default_value = "2",
        value_parser = clap::value_parser!(u32).range(1..=64))]
    connections: u32,
    /// Result as JSON
    #[arg(long, env = "METERBASE_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// What came of a file.
#[derive(Debug, Serialize)]
struct Imported {
    file: PathBuf,
    #[serde(flatten)]
    verdicts: Verdicts,
}

/// Refused rows of a file that are shown on standard error.
const SHOWN: u64 = 100;

impl ImportArgs {
    pub async fn run(self) -> Result<(), Failure> {
        if self.files.iter().filter(|file| is_stdin(file)).count() > 1 {
            return Err(Failure::Usage("standard input can be imported once".to_owned()));
        }
        self.target
            .with("meterbase import", async |client| {
                let client = match &self.provider {
                    Some(provider) => client.in_provider(provider),
                    None => client,
                };
                let mut rejects = self.open_rejects()?;
                let mut imported = Vec::new();
                for file in &self.files {
                    imported.push(self.import(&client, file, rejects.as_mut()).await?);
                }
                self.report(&imported)
            })
            .await
    }

    /// Imports a file from where it was left.
    async fn import(
        &self,
        client: &Client,
        path: &Path,
        mut rejects: Option<&mut csv::Writer<File>>,
    ) -> Result<Imported, Failure> {
        let in_file = |error| Failure::Failed(format!("{}: {error}", path.display()));
        let keeps = !is_stdin(path);
        let mut resume = if keeps { Resume::load(path, &self.options()).map_err(in_file)? } else { Resume::default() };
        if self.restart {
            resume = Resume { of: resume.of, ..Resume::default() };
        }
        if resume.through > 0 {
            say(&format!("{}: going on after line {}; --restart begins again", path.display(), resume.through));
        }
        let size = path.metadata().map_or(0, |metadata| metadata.len());
        let progress = Progress::new("importing", size, Unit::Bytes);
        let position = Arc::new(AtomicU64::new(0));
        let mut batches = self.read(path, resume.through, position.clone());
        let posts = stream::poll_fn(move |context| batches.poll_recv(context))
            .map(|batch| async move { post(client, batch.map_err(unreadable)?).await })
            .buffered(self.connections as usize);
        let mut posts = std::pin::pin!(posts);
        let mut refused_rows = 0;
        // In the file's order, so that everything up to `through` has its verdict.
        while let Some(sent) = posts.try_next().await? {
            for row in &sent.refused {
                refused_rows += 1;
                if refused_rows <= SHOWN {
                    progress.say(&format!(
                        "{}:{}: {} {}: {}",
                        path.display(),
                        row.line,
                        row.status,
                        row.code,
                        row.detail
                    ));
                }
                if let Some(rejects) = rejects.as_mut() {
                    rejects.serialize((path, row.line, &row.status, &row.code, &row.detail))?;
                }
            }
            resume.verdicts.add(&sent.verdicts);
            resume.through = sent.through;
            if let Some(rejects) = rejects.as_mut() {
                rejects.flush()?;
            }
            if keeps {
                resume.save(path).map_err(in_file)?;
            }
            progress.at(position.load(Ordering::Relaxed));
        }
        drop(progress);
        if refused_rows > SHOWN {
            say(&format!("{}: {} more rows were refused; --rejects lists all", path.display(), refused_rows - SHOWN));
        }
        if keeps {
            Resume::remove(path).map_err(in_file)?;
        }
        Ok(Imported { file: path.to_owned(), verdicts: resume.verdicts })
    }

    /// Reads a file on a thread of its own, a few batches ahead.
    fn read(&self, path: &Path, skip: u64, position: Arc<AtomicU64>) -> mpsc::Receiver<Result<Batch, SourceError>> {
        let (sender, batches) = mpsc::channel(2);
        let mapping = Mapping {
            device: self.device.clone(),
            metric: self.metric.clone(),
            renamed: self.column.clone(),
            ignored: self.ignore.clone(),
        };
        let (path, format, size) = (path.to_owned(), self.format, self.batch as usize);
        let source = Source { path, format, mapping, skip, size, position };
        // Not one of the runtime's own threads: a read of standard input that waits must not hold up the end.
        std::thread::spawn(move || source.read(&sender));
        batches
    }

    fn open_rejects(&self) -> Result<Option<csv::Writer<File>>, Failure> {
        let Some(path) = &self.rejects else { return Ok(None) };
        let failed = |error| Failure::Failed(format!("--rejects {}: {error}", path.display()));
        let file = File::options().create(true).append(true).open(path).map_err(failed)?;
        let is_new = file.metadata().map_err(failed)?.len() == 0;
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(file);
        if is_new {
            writer.write_record(["file", "line", "status", "code", "detail"])?;
        }
        Ok(Some(writer))
    }

    /// What decides what a row becomes and where it goes.
    fn options(&self) -> String {
        let Self { provider, device, metric, column, ignore, format, target, .. } = self;
        format!("{provider:?} {device:?} {metric:?} {column:?} {ignore:?} {format:?} {}", target.place())
    }

    fn report(&self, imported: &[Imported]) -> Result<(), Failure> {
        if self.json {
            print_json(&imported)?;
        } else {
            for Imported { file, verdicts } in imported {
                let Verdicts { received, stored, duplicates, conflicts, quarantined, rejected } = verdicts;
                print(&format!(
                    "{}: {received} rows: {stored} stored, {duplicates} duplicates, {conflicts} conflicts, \
                     {quarantined} quarantined, {rejected} rejected",
                    file.display()
                ))?;
            }
        }
        let refused = imported.iter().any(|imported| imported.verdicts.refused() > 0);
        if refused { Err(Failure::Reported) } else { Ok(()) }
    }
}

/// A file that the options do not fit to is wrong usage.
fn unreadable(error: SourceError) -> Failure {
    match error {
        SourceError::Read(..) => Failure::Failed(error.to_string()),
        SourceError::Header(..) | SourceError::Format(..) => Failure::Usage(error.to_string()),
    }
}

/// A batch with its verdicts.
struct SentBatch {
    verdicts: Verdicts,
    refused: Vec<Refused>,
    through: u64,
}

async fn post(client: &Client, batch: Batch) -> Result<SentBatch, Failure> {
    let Batch { body, lines, bad, through } = batch;
    let bad_rows = bad.len() as u64;
    let mut verdicts = Verdicts { received: bad_rows, rejected: bad_rows, ..Verdicts::default() };
    let mut refused = bad;
    if !lines.is_empty() {
        let receipt = client.post_readings("application/x-ndjson", body).await?;
        if receipt.verdicts.received != lines.len() as u64 {
            let received = receipt.verdicts.received;
            return Err(Failure::Failed(format!("{} rows were sent, {received} received", lines.len())));
        }
        verdicts.add(&receipt.verdicts);
        for outcome in receipt.results {
            let line = lines.get(outcome.index).copied().unwrap_or(through);
            refused.push(Refused { line, status: outcome.status, code: outcome.code, detail: outcome.detail });
        }
        refused.sort_by_key(|row| row.line);
    }
    Ok(SentBatch { verdicts, refused, through })
}
