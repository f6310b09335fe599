//! What `meterbase doctor` looks at: is the database fit, safe and in agreement with this machine? It changes nothing.

mod machine;
mod releases;
mod server;
mod time_zones;

use serde::Serialize;
use sqlx::PgConnection;

use crate::database::Database;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// It works, but not as well or as safely as it could.
    Warning,
    /// Meterbase cannot work, or its figures or data are in danger.
    Problem,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Short name of what was looked at.
    pub check: &'static str,
    pub status: Status,
    /// What is the case.
    pub found: String,
    /// What to do about it; absent when all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, found: found.into(), mend: None }
    }

    fn warning(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, status: Status::Warning, found: found.into(), mend: Some(mend.into()) }
    }

    fn problem(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, status: Status::Problem, found: found.into(), mend: Some(mend.into()) }
    }
}

/// Everything, in the order in which it should be mended. `connections` is what one server takes of the database.
pub async fn examine(database: &Database, connections: u32) -> sqlx::Result<Vec<Finding>> {
    let mut findings = match database.connect().await {
        Ok(mut db) => examine_database(&mut db, connections).await?,
        Err(error) => {
            vec![Finding::problem("connection", error.to_string(), "start the database, or mend --database-url")]
        }
    };
    if let Some(embedded) = database.embedded() {
        findings.push(machine::disk(&embedded.postgres_dir()));
        findings.extend(machine::orphans());
    }
    Ok(findings)
}

async fn examine_database(db: &mut PgConnection, connections: u32) -> sqlx::Result<Vec<Finding>> {
    let mut findings = vec![server::postgres(db).await?, server::timescaledb(db).await?];
    if findings.iter().any(|finding| finding.status == Status::Problem) {
        return Ok(findings);
    }
    let settings = server::Settings::read(db).await?;
    findings.push(settings.edition());
    findings.extend(server::flaws(db, &settings).await?);
    findings.push(server::rights(db).await?);
    let schema = server::schema(db).await?;
    let current = schema.status == Status::Ok;
    findings.push(schema);
    findings.extend(settings.durability());
    findings.push(settings.workers());
    findings.push(server::connections(db, &settings, connections).await?);
    findings.push(server::clock(db).await?);
    // What is in the tables can only be asked where they are as this version knows them.
    if current {
        findings.push(time_zones::agreement(db).await?);
        findings.push(server::rollups(db).await?);
        findings.push(server::keys(db).await?);
    }
    Ok(findings)
}
