//! Makes the rollups of an edition.
//!
//! The statements that make them are fingerprinted. While the fingerprint is that of the newest generation, nothing is
//! done. Otherwise, because a definition changed or the database comes from the other edition, all are made anew in one
//! transaction and every hour that has readings is queued for the refresher. Triggers and comments have a fingerprint of
//! their own: they are replaced without that, also where readings are gone.

use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::definition::{Period, ROLLUPS, Rollup};
use super::figures::{FIGURES, figure_columns};
use super::index::Index;
use super::rows;
use crate::database::Edition;

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error(
        "the rollups must be made anew, but {rollup} holds figures from {figures} on and readings are only kept from {readings} on: \
         older figures would be lost"
    )]
    ReadingsGone { rollup: String, figures: String, readings: String },
    #[error(
        "readings are in the columnstore, which the Apache edition cannot read: on the Community edition, start a server with \
         --columnstore-after never, run SELECT decompress_chunk(format('%I.%I', chunk_schema, chunk_name)) \
         FROM timescaledb_information.chunks WHERE hypertable_name = 'reading' AND is_compressed, and start it once more; \
         then change the edition"
    )]
    Columnstore,
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// Makes the rollups of `edition`, or leaves them alone when they are there as they should be.
pub async fn apply(db: &mut PgConnection, edition: Edition) -> Result<(), ApplyError> {
    let (statements, around) = (statements(edition), around(edition));
    let (fingerprint, fingerprint_around) = (fingerprint(&statements), fingerprint(&around));
    let found: Option<Generation> =
        sqlx::query_as(include_str!("../../sql/rollups/generation.sql")).fetch_optional(&mut *db).await?;
    let name = edition.to_string().to_lowercase();
    if let Some(found) = found.as_ref().filter(|found| found.edition == name && found.fingerprint == fingerprint) {
        if found.fingerprint_around.as_deref() != Some(&fingerprint_around) {
            replace_around(db, around, &fingerprint_around).await?;
        }
        return Ok(());
    }
    if edition == Edition::Apache && has_columnstore(db).await? {
        return Err(ApplyError::Columnstore);
    }
    let mut transaction = db.begin().await?;
    // No reading may come between the old triggers and the queue, or none would note it.
    sqlx::query("LOCK TABLE reading IN SHARE ROW EXCLUSIVE MODE").execute(&mut *transaction).await?;
    if let Some(found) = &found {
        tracing::info!(from = found.edition, to = name, "making the rollups anew; they follow all readings again");
        refuse_to_lose(&mut transaction).await?;
        drop_all(&mut transaction).await?;
    }
    for statement in statements.into_iter().chain(around) {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    }
    sqlx::query(include_str!("../../sql/rollups/queue_all.sql")).execute(&mut *transaction).await?;
    sqlx::query(include_str!("../../sql/rollups/begin_generation.sql"))
        .bind(name)
        .bind(fingerprint)
        .bind(fingerprint_around)
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}

/// What the newest rollups were made by.
#[derive(sqlx::FromRow)]
struct Generation {
    edition: String,
    fingerprint: String,
    /// Of what is around them; none before that had one.
    fingerprint_around: Option<String>,
}

/// Tells statements from others, in hexadecimal.
pub fn fingerprint(statements: &[String]) -> String {
    hex::encode(Sha256::digest(statements.join("\n")))
}

/// Replaces triggers and comments. No reading may come between the old triggers and the new ones.
async fn replace_around(db: &mut PgConnection, around: Vec<String>, fingerprint: &str) -> sqlx::Result<()> {
    let mut transaction = db.begin().await?;
    sqlx::query("LOCK TABLE reading IN SHARE ROW EXCLUSIVE MODE").execute(&mut *transaction).await?;
    for statement in around {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    }
    sqlx::query(include_str!("../../sql/rollups/replaced_around.sql"))
        .bind(fingerprint)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// Rollups outlive their readings where old readings are dropped; then they cannot be made anew without losing figures.
async fn refuse_to_lose(db: &mut PgConnection) -> Result<(), ApplyError> {
    for rollup in ROLLUPS.iter().filter(|rollup| rollup.subject == "channel") {
        let sql = include_str!("../../sql/rollups/lost.sql").replace("{name}", &rollup.name);
        let lost: Option<(String, String)> = sqlx::query_as(AssertSqlSafe(sql)).fetch_optional(&mut *db).await?;
        if let Some((figures, readings)) = lost {
            return Err(ApplyError::ReadingsGone { rollup: rollup.name.clone(), figures, readings });
        }
    }
    Ok(())
}

async fn has_columnstore(db: &mut PgConnection) -> sqlx::Result<bool> {
    let enabled: Option<bool> = sqlx::query_scalar(
        "SELECT compression_enabled FROM timescaledb_information.hypertables
         WHERE hypertable_schema = 'public' AND hypertable_name = 'reading'",
    )
    .fetch_optional(db)
    .await?;
    Ok(enabled.unwrap_or(false))
}

/// Drops the rollups of whichever edition made them. Views of this project on them are made again after this.
async fn drop_all(db: &mut PgConnection) -> sqlx::Result<()> {
    for rollup in ROLLUPS.iter().rev() {
        let kind: Option<String> = sqlx::query_scalar(
            "SELECT CASE relkind WHEN 'v' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END FROM pg_class WHERE oid = to_regclass($1)",
        )
        .bind(&rollup.name)
        .fetch_optional(&mut *db)
        .await?;
        if let Some(kind) = kind {
            sqlx::raw_sql(AssertSqlSafe(format!("DROP {kind} {} CASCADE", rollup.name))).execute(&mut *db).await?;
        }
    }
    Ok(())
}

/// Everything that makes the rollups of an edition, in order.
fn statements(edition: Edition) -> Vec<String> {
    let rollups = ROLLUPS.iter().map(|rollup| match edition {
        Edition::Apache => hypertable(rollup),
        Edition::Community => continuous_aggregate(rollup),
    });
    rollups.chain(ROLLUPS.iter().map(|rollup| indexes(rollup, edition))).collect()
}

/// What is around them, and can be replaced: comments, triggers that note changes, guards of figures.
fn around(edition: Edition) -> Vec<String> {
    let detail = match edition {
        Edition::Apache => "all".to_owned(),
        Edition::Community => rows::MOST_OF_A_STATEMENT.to_string(),
    };
    // Where there is a columnstore, a trigger has no transition table of deleted rows.
    let deleted = match edition {
        Edition::Apache => {
            "REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION reading_changed('all')"
        }
        Edition::Community => "FOR EACH ROW EXECUTE FUNCTION reading_row_deleted()",
    };
    let figures = include_str!("../../sql/rollups/figures_of_readings.sql").trim_end();
    let additions = include_str!("../../sql/rollups/additions.sql").replace("{figures}", figures);
    let triggers =
        include_str!("../../sql/rollups/triggers.sql").replace("{detail}", &detail).replace("{deleted}", deleted);
    let guards = (edition == Edition::Community)
        .then(|| include_str!("../../sql/rollups/guards.sql").replace("{setting}", rows::HOURS));
    let comments = ROLLUPS.iter().map(|rollup| comments(rollup, edition));
    let room = ROLLUPS.iter().filter(|rollup| rollup.period != Period::Hour);
    let room = room.map(|rollup| include_str!("../../sql/rollups/room.sql").replace("{name}", &rollup.name));
    comments.chain([additions, triggers]).chain(guards).chain(room).collect()
}

fn hypertable(rollup: &Rollup) -> String {
    let keys: Vec<_> = rollup.keys.iter().map(|key| format!("{} integer NOT NULL", key.column)).collect();
    named(include_str!("../../sql/rollups/hypertable.sql"), rollup)
        .replace("{key_columns}", &keys.join(",\n    "))
        .replace("{figures}", &figure_columns())
}

fn continuous_aggregate(rollup: &Rollup) -> String {
    // Less than the least time after which chunks go to the columnstore.
    let reach = match rollup.period {
        Period::Hour => "3 days",
        Period::Day => "7 days",
        Period::Month => "4 months",
    };
    let templates =
        [include_str!("../../sql/rollups/continuous_aggregate.sql"), include_str!("../../sql/rollups/policy.sql")];
    named(&templates.concat(), rollup)
        .replace("{reach}", reach)
        .replace("{select}", &rollup.select("", ""))
        .replace("{width}", rollup.period.width())
}

fn named(template: &str, rollup: &Rollup) -> String {
    template
        .replace("{name}", &rollup.name)
        .replace("{billing}", rollup.billing())
        .replace("{index}", &rollup.index_columns())
        .replace("{chunk}", rollup.chunk())
}

fn indexes(rollup: &Rollup, edition: Edition) -> String {
    let index = |index: &Index| {
        let columns = index.columns(rollup);
        let condition = if index.condition.is_empty() { String::new() } else { format!(" WHERE {}", index.condition) };
        let rest = index.other_keys(rollup);
        let include = if edition == Edition::Community && !rest.is_empty() {
            format!(" INCLUDE ({})", rest.join(", "))
        } else {
            String::new()
        };
        let name = format!("{}_{}_idx", rollup.name, columns[0]);
        format!("CREATE INDEX {name} ON {} ({}){include}{condition};\n", rollup.name, columns.join(", "))
    };
    rollup.indexes.iter().map(index).collect()
}

fn comments(rollup: &Rollup, edition: Edition) -> String {
    let quoted = |text: &str| text.replace('\'', "''");
    let kind = match edition {
        Edition::Apache => "TABLE",
        Edition::Community => "VIEW",
    };
    let columns = rollup.about_columns().into_iter().chain(FIGURES.map(|(column, _, meaning)| (column, meaning)));
    let columns: String = columns
        .map(|(column, about)| format!("COMMENT ON COLUMN {}.{column} IS '{}';\n", rollup.name, quoted(about)))
        .collect();
    format!("COMMENT ON {kind} {} IS '{}';\n{columns}", rollup.name, quoted(&rollup.about()))
}
