//! Work on a database of its own, which is dropped whatever comes of it.

use tokio_util::sync::CancellationToken;

use crate::cli::bench::ingest::scratch::Scratch;
use crate::cli::{DatabaseArgs, Failure, until};
use crate::database::Database;
use crate::embedded::Role;

/// Does some work beside the database that is given.
pub async fn beside<T>(
    database: &DatabaseArgs,
    stop: CancellationToken,
    work: impl AsyncFnOnce(&Database) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let database = until(stop, database.open(Role::Command)).await?;
    let done = work(&database).await;
    let closed = database.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

/// Makes a database beside one, does the work on it until `stop`, and drops it.
pub async fn on_scratch<T>(
    beside: &Database,
    stop: CancellationToken,
    work: impl AsyncFnOnce(&Scratch) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let scratch = Scratch::create(beside).await?;
    // A signal ends the work wherever it is, and the processes that it started with it; the database goes after.
    let done = until(stop, work(&scratch)).await;
    let dropped = scratch.drop(beside).await;
    let done = done?;
    dropped?;
    Ok(done)
}
