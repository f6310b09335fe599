//! Work on a database of its own, which is dropped whatever comes of it.

use tokio_util::sync::CancellationToken;

use crate::cli::bench::ingest::scratch::Scratch;
use crate::cli::{DatabaseArgs, Failure, until};
use crate::embedded::Role;

/// Makes a database beside the one that is given, does the work on it until `stop`, and drops it.
pub async fn on_scratch<T>(
    database: &DatabaseArgs,
    stop: CancellationToken,
    work: impl AsyncFnOnce(&Scratch) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (mut opened, mut result) = (None, None);
    until(stop.clone(), async {
        opened = Some(database.open(Role::Command).await?);
        Ok(())
    })
    .await?;
    let Some(database) = opened else { return Err(Failure::Failed("no database was opened".to_owned())) };
    let done = match Scratch::create(&database).await {
        Ok(scratch) => {
            // A signal ends the work wherever it is, and the processes that it started with it; the database goes after.
            let done = until(stop, async {
                result = Some(work(&scratch).await?);
                Ok(())
            })
            .await;
            let dropped = scratch.drop(&database).await;
            done.and(dropped)
        }
        Err(failure) => Err(failure),
    };
    let closed = database.close().await;
    done?;
    closed?;
    result.ok_or_else(|| Failure::Failed("the work came to no result".to_owned()))
}
