//! Roles of analysts: made, listed, dropped.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::analytics::Password;
use crate::registry::audit::{self, Action, By};

/// A role to be made.
#[derive(Debug)]
pub struct NewRole {
    pub name: String,
    /// None: it sees all providers.
    pub provider_id: Option<i32>,
    pub password: Password,
    /// How long a statement may take, unless the analyst says otherwise.
    pub statement_timeout: TimeDelta,
    /// How many connections it may have at once.
    pub connections: i32,
}

/// A role that was made.
#[derive(Debug, sqlx::FromRow, serde::Serialize)]
pub struct Role {
    pub role: String,
    /// Key of its provider; none for all.
    pub provider: Option<String>,
    pub created_at: DateTime<Utc>,
    /// Whether PostgreSQL has such a role that may log in.
    pub usable: bool,
    /// Connections that it may have; none where there is no such role.
    pub connections: Option<i32>,
    /// Connections that it has in this database.
    pub connected: i64,
}

/// What a role can do though an analyst should not.
#[derive(Debug, sqlx::FromRow)]
pub struct Open {
    pub what: String,
    /// Whether it is about this database, which can be closed without a word to others.
    pub here: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    #[error(
        "the role {role:?} may not create roles: let a superuser run ALTER ROLE {role:?} CREATEROLE, or run this command \
         with the --database-url of a role that may"
    )]
    MayNot { role: String },
    #[error("there is a role {0:?} already; choose another --name, or drop it with `meterbase sql-roles drop {0}`")]
    Exists(String),
    #[error(
        "the role {role:?} was not made: what PostgreSQL lets every role do would be open to it, and closing that takes the \
         owner of it, a superuser mostly: {open}. Run this command once with the --database-url of a superuser, which closes it for \
         good, or accept it with --leave-open"
    )]
    Open { role: String, open: String },
    #[error(transparent)]
    Random(#[from] getrandom::Error),
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// Makes a role that reads the views of `analytics` and nothing else, and closes what every role may do otherwise. Tells
/// what stays open; where that is something of this database and `leave_open` is not said, nothing is done.
pub async fn create(db: &mut PgConnection, new: &NewRole, leave_open: bool) -> Result<Vec<Open>, RoleError> {
    let mut transaction = db.begin().await?;
    let (role, may): (String, bool) =
        sqlx::query_as(include_str!("../../sql/analytics/may_create.sql")).fetch_one(&mut *transaction).await?;
    if !may {
        return Err(RoleError::MayNot { role });
    }
    let statements: Vec<String> = sqlx::query_scalar(include_str!("../../sql/analytics/create.sql"))
        .bind(&new.name)
        .bind(new.password.verifier()?)
        .bind(new.connections)
        .bind(new.statement_timeout.num_milliseconds())
        .fetch_all(&mut *transaction)
        .await?;
    for statement in statements {
        let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await;
        done.map_err(|error| match error.as_database_error().and_then(|e| e.code()).as_deref() {
            // duplicate_object
            Some("42710") => RoleError::Exists(new.name.clone()),
            _ => error.into(),
        })?;
    }
    sqlx::query(include_str!("../../sql/analytics/keep.sql"))
        .bind(&new.name)
        .bind(new.provider_id)
        .execute(&mut *transaction)
        .await?;
    grant_all(&mut transaction).await?;
    let open: Vec<Open> = sqlx::query_as(include_str!("../../sql/analytics/open.sql"))
        .bind(&new.name)
        .fetch_all(&mut *transaction)
        .await?;
    let here: Vec<_> = open.iter().filter(|open| open.here).map(|open| open.what.as_str()).collect();
    if !here.is_empty() && !leave_open {
        return Err(RoleError::Open { role: new.name.clone(), open: here.join(", ") });
    }
    let after = list(&mut transaction).await?.into_iter().find(|role| role.role == new.name);
    record(&mut transaction, new.provider_id, Action::SqlRoleCreate, None, after).await?;
    transaction.commit().await?;
    Ok(open)
}

/// Lets all analysts read the views that there are, and closes the rest; nothing where there is no analyst.
pub async fn grant_all(db: &mut PgConnection) -> sqlx::Result<()> {
    let grants: Vec<String> =
        sqlx::query_scalar(include_str!("../../sql/analytics/grants.sql")).fetch_all(&mut *db).await?;
    if grants.is_empty() {
        return Ok(());
    }
    for grant in grants {
        sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut *db).await?;
    }
    sqlx::raw_sql(include_str!("../../sql/analytics/close.sql")).execute(db).await?;
    Ok(())
}

/// All that were made for this database, oldest first.
pub async fn list(db: &mut PgConnection) -> sqlx::Result<Vec<Role>> {
    sqlx::query_as(include_str!("../../sql/analytics/list.sql")).fetch_all(db).await
}

/// Ends a role's connections, takes away what it may, and drops it; false when none of this name was made here.
pub async fn drop(db: &mut PgConnection, name: &str) -> sqlx::Result<bool> {
    let mut transaction = db.begin().await?;
    let before = list(&mut transaction).await?.into_iter().find(|role| role.role == name);
    let gone: Option<Option<i32>> =
        sqlx::query_scalar("DELETE FROM analyst WHERE role_name = $1::name RETURNING provider_id")
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await?;
    let Some(provider_id) = gone else { return Ok(false) };
    record(&mut transaction, provider_id, Action::SqlRoleDrop, before, None).await?;
    let statements: Vec<String> = sqlx::query_scalar(include_str!("../../sql/analytics/drop.sql"))
        .bind(name)
        .fetch_all(&mut *transaction)
        .await?;
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

/// Writes what became of a role into the audit: whose rows it sees, and how many connections it may have.
async fn record(
    db: &mut PgConnection,
    provider_id: Option<i32>,
    action: Action,
    before: Option<Role>,
    after: Option<Role>,
) -> sqlx::Result<()> {
    let shown = |role: &Role| json!({"role": role.role, "provider": role.provider, "connections": role.connections});
    let Some(name) = before.as_ref().or(after.as_ref()).map(|role| role.role.clone()) else { return Ok(()) };
    let entry = audit::Entry { entity: &name, before: before.as_ref().map(shown), after: after.as_ref().map(shown) };
    audit::write(db, &By::command_line(provider_id), action, &[entry]).await
}
