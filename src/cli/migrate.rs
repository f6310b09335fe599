//! `meterbase migrate`

use clap::Args;

use crate::cli::{DatabaseArgs, Failure, say};
use crate::database::{self, Database};
use crate::embedded::Role;
use crate::migrate;

/// Bring the database's schema to this version
///
/// Makes the schema in an empty database, or applies what newer versions of Meterbase add. `serve` does the same at its
/// start; run it by itself to change the schema before servers are replaced. Running it again changes nothing.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseArgs,
}

impl MigrateArgs {
    pub async fn run(self) -> Result<(), Failure> {
        self.database.with(Role::Command, migrate).await
    }
}

async fn migrate(database: &Database) -> Result<(), Failure> {
    let mut db = database.connect().await?;
    let found = database::check(&mut db).await?;
    let before = migrate::applied_version(&mut db).await?;
    migrate::run(&mut db, found.edition).await?;
    let version = migrate::known_version();
    match before {
        Some(before) if before == version => say(&format!("the schema is current (version {version})")),
        Some(before) => say(&format!("the schema went from version {before} to {version}")),
        None => say(&format!("the schema was made (version {version})")),
    }
    Ok(())
}
