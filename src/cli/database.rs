//! Which database a command works on: `--database-url`, or the embedded one of a `--data-dir`.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};
use sqlx::PgConnection;

use crate::cli::Failure;
use crate::database::{self, Database, Edition, Found};
use crate::embedded::{Embedded, Role};
use crate::migrate;

/// What can be said on the command line or in the environment.
#[derive(Debug, Args)]
#[command(next_help_heading = "Database")]
struct Options {
    /// Directory of the embedded database [default: ./meterbase-data]
    ///
    /// Used when no database URL is given. It is made where it is missing. One server at a time can have it; other
    /// commands connect to the database of the server that has it.
    #[arg(long, env = "METERBASE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// PostgreSQL to use, such as postgres://user:password@host/database
    ///
    /// PostgreSQL 15 to 18 with TimescaleDB 2.19 or later. Empty counts as not given. An option on the command line
    /// goes before the environment.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Edition of TimescaleDB that a new embedded database runs [default: community where installed]
    #[arg(long, env = "METERBASE_EDITION", value_name = "EDITION")]
    edition: Option<Edition>,
}

/// The database options of a command: flatten it into the command's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseArgs {
    Url(String),
    Embedded { data_dir: PathBuf, edition: Option<Edition> },
}

const DEFAULT_DATA_DIR: &str = "meterbase-data";

impl DatabaseArgs {
    /// Opens the database, does the work, closes the database whatever came of it.
    pub async fn with(
        &self,
        role: Role,
        work: impl AsyncFnOnce(&Database) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let database = self.open(role).await?;
        let done = work(&database).await;
        let closed = database.close().await;
        done?;
        Ok(closed?)
    }

    /// Makes the database reachable: starts the embedded one, or finds it running. To be closed in the end.
    pub async fn open(&self, role: Role) -> Result<Database, Failure> {
        match self {
            Self::Url(url) => Ok(Database::at(database::options(url)?)),
            Self::Embedded { data_dir, edition } => Ok(Database::of(Embedded::open(data_dir, *edition, role).await?)),
        }
    }
}

/// Checks that a database is usable and has the schema of this version.
pub async fn ready(db: &mut PgConnection) -> Result<Found, Failure> {
    let found = database::check(db).await?;
    if migrate::applied_version(db).await? == Some(migrate::known_version()) {
        return Ok(found);
    }
    Err(Failure::Failed("the schema is not that of this version; run `meterbase migrate`".to_owned()))
}

/// What is on the command line goes before what is in the environment; clap's own conflicts know no difference.
impl FromArgMatches for DatabaseArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let options = Options::from_arg_matches(matches)?;
        let given = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
        if given("data_dir") && given("database_url") {
            let text = "--data-dir and --database-url exclude each other: the first is for the embedded database\n";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, text));
        }
        let url = options.database_url.filter(|url| !url.trim().is_empty());
        match url {
            Some(url) if !given("data_dir") => Ok(Self::Url(url)),
            _ => Ok(Self::Embedded {
                data_dir: options.data_dir.unwrap_or_else(|| DEFAULT_DATA_DIR.into()),
                edition: options.edition,
            }),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for DatabaseArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        Options::augment_args(command)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Options::augment_args_for_update(command)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        database: DatabaseArgs,
    }

    fn parse(args: &[&str]) -> Result<DatabaseArgs, ErrorKind> {
        let args = ["command"].iter().chain(args);
        Command::try_parse_from(args).map(|command| command.database).map_err(|error| error.kind())
    }

    #[test]
    fn a_url_or_a_directory_but_not_both() {
        let embedded = |dir: &str| DatabaseArgs::Embedded { data_dir: dir.into(), edition: None };
        assert_eq!(parse(&["--database-url", "postgres://h/d"]), Ok(DatabaseArgs::Url("postgres://h/d".to_owned())));
        assert_eq!(parse(&["--data-dir", "/d", "--database-url", "x"]), Err(ErrorKind::ArgumentConflict));
        assert_eq!(parse(&["--data-dir", "/d"]), Ok(embedded("/d")));
        assert_eq!(parse(&["--database-url", ""]), Ok(embedded(DEFAULT_DATA_DIR)));
    }
}
