//! What commands share that list what providers have.

use clap::Args;
use clap::builder::FalseyValueParser;
use serde::Serialize;
use sqlx::PgConnection;

use crate::cli::keys::{current, provider_or_all};
use crate::cli::{DatabaseArgs, Failure, print, print_json};
use crate::database::Database;
use crate::embedded::Role;

// What it is each command says: clap would take a document of it for theirs.
#[derive(Debug, Args)]
pub struct Listed {
    /// Only those of this provider
    #[arg(long, env = "METERBASE_PROVIDER", value_name = "PROVIDER")]
    provider: Option<String>,
    /// As a JSON array
    #[arg(long, env = "METERBASE_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Listed {
    /// Prints what `list` finds of the provider, or of all where none is named: as JSON, or as `table` shows it.
    pub async fn show<T: Serialize>(
        &self,
        list: impl AsyncFnOnce(&mut PgConnection, Option<i32>) -> sqlx::Result<Vec<T>>,
        table: impl FnOnce(&[T]) -> String,
    ) -> Result<(), Failure> {
        let show = async |database: &Database| {
            let mut db = current(database).await?;
            let provider = provider_or_all(&mut db, self.provider.as_deref()).await?;
            let listed = list(&mut db, provider).await?;
            if self.json { print_json(&listed) } else { print(&table(&listed)) }
        };
        self.database.with(Role::Command, show).await
    }
}
