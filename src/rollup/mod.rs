//! Rollups: per hour, day and month, by channel, customer, group and provider. Each is defined once.

use sqlx::PgConnection;

use crate::database::Edition;

/// Makes the rollups of an edition, or brings them up to date.
pub async fn apply(_db: &mut PgConnection, _edition: Edition) -> sqlx::Result<()> {
    Ok(())
}
