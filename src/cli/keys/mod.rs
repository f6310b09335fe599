//! `meterbase keys`

pub mod create;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::cli::keys::create::CreateArgs;
use crate::cli::listed::Listed;
use crate::cli::serve::time;
use crate::cli::{DatabaseArgs, Failure, print, say};
use crate::core::entity::Ref;
use crate::database::{self, Database};
use crate::embedded::Role;
use crate::keys::{self, Change, KeyRate, StoredKey};
use crate::migrate;
use crate::registry::audit::By;

/// Create, list, limit, rotate and revoke API keys
///
/// Works on the database itself, so it needs no key. Also while a server runs on it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase keys create --scope admin
  meterbase keys create --scope ingest --provider northwind --name gateway-7 --expires 90d
  meterbase keys create --scope ingest --provider northwind --rate 500 --burst 10000
  meterbase keys create --scope ingest --provider northwind --device meter-0001
  meterbase keys create --scope ingest --provider northwind --device meter-0001 --certificate meter-0001.pem
  meterbase keys create --scope read --provider northwind --customer acme
  meterbase keys list --provider northwind
  meterbase keys limit 0199d0a4-5b1e-7c42-9a6f-0d3a4c5b6e7f --rate 2000
  meterbase keys rotate 0199d0a4-5b1e-7c42-9a6f-0d3a4c5b6e7f --overlap 7d
  meterbase keys revoke 0199d0a4-5b1e-7c42-9a6f-0d3a4c5b6e7f")]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    Create(CreateArgs),
    /// List keys, oldest first, without their secrets
    List(Listed),
    Limit(LimitArgs),
    Rotate(RotateArgs),
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct RateArgs {
    /// Readings a second that it may send to each server; 0 for any number [default: what the server says of all keys]
    #[arg(long, env = "METERBASE_KEY_OWN_RATE", value_name = "READINGS", value_parser = clap::value_parser!(i32).range(0..))]
    rate: Option<i32>,
    /// Readings that it may send at once [default: those of ten seconds]
    #[arg(long, env = "METERBASE_KEY_OWN_BURST", value_name = "READINGS", requires = "rate",
        value_parser = clap::value_parser!(i32).range(1..))]
    burst: Option<i32>,
}

/// Give a key another rate; without one it has what the server says of all keys
#[derive(Debug, Args)]
struct LimitArgs {
    /// Id of the key, as `keys list` shows it
    #[arg(env = "METERBASE_KEY_ID")]
    id: Uuid,
    #[command(flatten)]
    rate: RateArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Give a key another secret and print the key, alone, on standard output
///
/// It is shown this once. The secret before is good too for a while; one before that is not any more.
#[derive(Debug, Args)]
struct RotateArgs {
    /// Id of the key, as `keys list` shows it
    #[arg(env = "METERBASE_KEY_ID")]
    id: Uuid,
    /// For how long the secret before is good too; 0s for no longer
    #[arg(long, env = "METERBASE_KEY_OVERLAP", value_name = "TIME", default_value = "1d", value_parser = time)]
    overlap: std::time::Duration,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Revoke a key; it is refused from then on
#[derive(Debug, Args)]
struct RevokeArgs {
    /// Id of the key, as `keys list` shows it
    #[arg(env = "METERBASE_KEY_ID")]
    id: Uuid,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl KeysArgs {
    pub async fn run(self) -> Result<(), Failure> {
        match self.command {
            KeysCommand::Create(args) => {
                args.check()?;
                args.database.with(Role::Command, async |database| args.run(database).await).await
            }
            KeysCommand::List(listed) => {
                listed.show(async |db, provider| keys::list(db, provider, 0, None).await, table).await
            }
            KeysCommand::Limit(args) => {
                args.database
                    .with(Role::Command, async |database| limit(database, args.id, args.rate.given()).await)
                    .await
            }
            KeysCommand::Rotate(args) => {
                args.database.with(Role::Command, async |database| args.run(database).await).await
            }
            KeysCommand::Revoke(args) => {
                args.database.with(Role::Command, async |database| revoke(database, args.id).await).await
            }
        }
    }
}

impl RotateArgs {
    async fn run(&self, database: &Database) -> Result<(), Failure> {
        let mut db = current(database).await?;
        let mut db = db.begin().await?;
        let key = locked(&mut db, self.id).await?;
        let overlap = TimeDelta::from_std(self.overlap)?;
        let rotated = keys::rotate(&mut db, &By::command_line(None), &key, overlap).await?;
        let ended = || Failure::Failed(format!("key {} is revoked or has expired; create a new one", self.id));
        let (key, _) = rotated.ok_or_else(ended)?;
        db.commit().await?;
        print(&key.reveal())
    }
}

impl RateArgs {
    fn given(&self) -> KeyRate {
        KeyRate { rate: self.rate, burst: self.burst }
    }
}

async fn limit(database: &Database, id: Uuid, rate: KeyRate) -> Result<(), Failure> {
    let mut db = current(database).await?;
    let mut db = db.begin().await?;
    let key = locked(&mut db, id).await?;
    let to = Change { name: key.name.as_deref(), expires_at: key.expires_at, rate };
    keys::change(&mut db, &By::command_line(None), &key, &to).await?;
    db.commit().await?;
    say(&format!("key {id}: {}", told(rate)));
    Ok(())
}

/// A rate in words.
fn told(KeyRate { rate, burst }: KeyRate) -> String {
    match (rate, burst) {
        (None, _) => "the server's rate".to_owned(),
        (Some(0), _) => "any rate".to_owned(),
        (Some(rate), None) => format!("{rate}/s"),
        (Some(rate), Some(burst)) => format!("{rate}/s, {burst} at once"),
    }
}

async fn locked(db: &mut PgConnection, id: Uuid) -> Result<StoredKey, Failure> {
    let no_such = || Failure::Failed(format!("there is no key {id}; `meterbase keys list` shows those there are"));
    keys::lock(db, None, id).await?.ok_or_else(no_such)
}

async fn revoke(database: &Database, id: Uuid) -> Result<(), Failure> {
    let mut db = current(database).await?;
    let mut db = db.begin().await?;
    let key = locked(&mut db, id).await?;
    keys::revoke(&mut db, &By::command_line(None), &key).await?;
    db.commit().await?;
    say(&format!("key {id} is revoked"));
    Ok(())
}

/// A connection to a database with this version's schema. It is made where nobody else can be using an older one.
pub async fn current(database: &Database) -> Result<PgConnection, Failure> {
    let mut db = database.connect().await?;
    let found = database::check(&mut db).await?;
    let applied = migrate::applied_version(&mut db).await?;
    if applied == Some(migrate::known_version()) {
        return Ok(db);
    }
    if applied.is_none() || database.embedded().is_some_and(|embedded| embedded.is_owner()) {
        migrate::run(&mut db, found.edition).await?;
        return Ok(db);
    }
    Err(Failure::Failed("the schema is not that of this version; run `meterbase migrate`".to_owned()))
}

pub async fn provider_id(db: &mut PgConnection, named: &str) -> Result<i32, Failure> {
    let Ok(named) = named.parse::<Ref>() else {
        return Err(Failure::Usage(format!("--provider: {named:?} is neither a key nor an id")));
    };
    let found: Option<(i32,)> = sqlx::query_as(include_str!("../../../sql/keys/tenant.sql"))
        .bind(None::<i32>)
        .bind(named.key())
        .bind(named.id())
        .fetch_optional(db)
        .await?;
    found.map(|(id,)| id).ok_or_else(|| Failure::Failed(format!("there is no provider {named}")))
}

/// A moment as lists show it, to the minute.
pub fn moment_or_dash(at: Option<DateTime<Utc>>) -> String {
    at.map_or("-".to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string())
}

/// The provider that is named; none where none is, for all of them.
pub async fn provider_or_all(db: &mut PgConnection, named: Option<&str>) -> Result<Option<i32>, Failure> {
    match named {
        Some(named) => provider_id(db, named).await.map(Some),
        None => Ok(None),
    }
}

fn table(keys: &[StoredKey]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header([
        "ID",
        "SCOPE",
        "PROVIDER",
        "ONLY FOR",
        "NAME",
        "CREATED (UTC)",
        "EXPIRES",
        "REVOKED",
        "LAST USED",
        "RATE",
        "CERTIFICATE",
    ]);
    for key in keys {
        table.add_row([
            key.id.to_string(),
            key.scope.to_string(),
            key.provider.clone().unwrap_or("-".to_owned()),
            only_for(key),
            key.name.clone().unwrap_or("-".to_owned()),
            moment_or_dash(Some(key.created_at)),
            moment_or_dash(key.expires_at),
            moment_or_dash(key.revoked_at),
            moment_or_dash(key.last_used_at),
            told(key.rate),
            key.certificate_fingerprint
                .as_ref()
                .or(key.certificate_subject.as_ref())
                .cloned()
                .unwrap_or("-".to_owned()),
        ]);
    }
    table.trim_fmt()
}

/// The part of its provider that a key is for.
fn only_for(key: &StoredKey) -> String {
    let parts = [("customer", &key.customer), ("group", &key.group), ("device", &key.device)];
    let part = parts.into_iter().find_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?)));
    part.unwrap_or("-".to_owned())
}
