//! `meterbase keys`

use chrono::{DateTime, Duration, Utc};
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::cli::{DatabaseArgs, Failure, print, print_json, say};
use crate::core::entity::Ref;
use crate::database::{self, Database};
use crate::embedded::Role;
use crate::keys::{self, Change, KeyPart, KeyRate, NewKey, Scope, StoredKey};
use crate::migrate;
use crate::registry::audit::By;

/// Create, list, limit and revoke API keys
///
/// Works on the database itself, so it needs no key. Also while a server runs on it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase keys create --scope admin
  meterbase keys create --scope ingest --provider northwind --name gateway-7 --expires 90d
  meterbase keys create --scope ingest --provider northwind --rate 500 --burst 10000
  meterbase keys list --provider northwind
  meterbase keys limit 0199d0a4-5b1e-7c42-9a6f-0d3a4c5b6e7f --rate 2000
  meterbase keys revoke 0199d0a4-5b1e-7c42-9a6f-0d3a4c5b6e7f")]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    Create(CreateArgs),
    List(ListArgs),
    Limit(LimitArgs),
    Revoke(RevokeArgs),
}

/// Create a key and print it, alone, on standard output
///
/// It is shown this once: only a hash of it is stored.
#[derive(Debug, Args)]
struct CreateArgs {
    /// What the key may do
    #[arg(long, env = "METERBASE_KEY_SCOPE")]
    scope: Scope,
    /// Key or id of the provider it acts in; needed for every scope but admin
    #[arg(long, env = "METERBASE_PROVIDER", value_name = "PROVIDER")]
    provider: Option<String>,
    /// Name by which people know it, up to 256 characters
    #[arg(long, env = "METERBASE_KEY_NAME")]
    name: Option<String>,
    /// When it ends: a time from now such as 90d or 12h, or an instant such as 2027-01-01T00:00:00Z [default: never]
    #[arg(long, env = "METERBASE_KEY_EXPIRES", value_name = "WHEN", value_parser = expiry)]
    expires: Option<Expiry>,
    #[command(flatten)]
    rate: RateArgs,
    #[command(flatten)]
    database: DatabaseArgs,
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

/// List keys, oldest first, without their secrets
#[derive(Debug, Args)]
struct ListArgs {
    /// Only those of this provider
    #[arg(long, env = "METERBASE_PROVIDER", value_name = "PROVIDER")]
    provider: Option<String>,
    /// As a JSON array
    #[arg(long, env = "METERBASE_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
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

/// When a key ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry {
    After(Duration),
    At(DateTime<Utc>),
}

impl KeysArgs {
    pub async fn run(self) -> Result<(), Failure> {
        match self.command {
            KeysCommand::Create(args) => {
                args.check()?;
                args.database.with(Role::Command, async |database| args.run(database).await).await
            }
            KeysCommand::List(args) => {
                args.database.with(Role::Command, async |database| args.run(database).await).await
            }
            KeysCommand::Limit(args) => {
                args.database
                    .with(Role::Command, async |database| limit(database, args.id, args.rate.given()).await)
                    .await
            }
            KeysCommand::Revoke(args) => {
                args.database.with(Role::Command, async |database| revoke(database, args.id).await).await
            }
        }
    }
}

impl CreateArgs {
    /// What can be seen without a database.
    fn check(&self) -> Result<(), Failure> {
        let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
        match (self.scope, &self.provider) {
            (Scope::Admin, Some(_)) => usage("an admin key acts in every provider: leave --provider out"),
            (Scope::Provider | Scope::Read | Scope::Ingest, None) => {
                usage("a key of this scope acts in one provider: name it with --provider")
            }
            _ if self.name.as_ref().is_some_and(|name| !(1..=256).contains(&name.chars().count())) => {
                usage("--name has 1 to 256 characters")
            }
            _ if self.expires.is_some_and(|expires| expires.instant(Utc::now()).is_none_or(|at| at <= Utc::now())) => {
                usage("--expires must be in the future")
            }
            _ => Ok(()),
        }
    }

    async fn run(&self, database: &Database) -> Result<(), Failure> {
        let mut db = current(database).await?;
        let provider = match &self.provider {
            Some(named) => Some(provider_id(&mut db, named).await?),
            None => None,
        };
        let expires = self.expires.and_then(|expires| expires.instant(Utc::now()));
        let (name, rate) = (self.name.as_deref(), self.rate.given());
        let new =
            NewKey { scope: self.scope, provider_id: provider, part: KeyPart::All, name, expires_at: expires, rate };
        let (key, _) = keys::make(&mut db, &By::command_line(provider), &new).await?;
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
    let key = find(&mut db, id).await?;
    let to = Change { name: key.name.as_deref(), expires_at: key.expires_at, rate };
    keys::change(&mut db, &By::command_line(None), &key, &to).await?;
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

async fn find(db: &mut PgConnection, id: Uuid) -> Result<StoredKey, Failure> {
    let no_such = || Failure::Failed(format!("there is no key {id}; `meterbase keys list` shows those there are"));
    keys::find(db, None, id).await?.ok_or_else(no_such)
}

impl ListArgs {
    async fn run(&self, database: &Database) -> Result<(), Failure> {
        let mut db = current(database).await?;
        let provider = match &self.provider {
            Some(named) => Some(provider_id(&mut db, named).await?),
            None => None,
        };
        let keys = keys::list(&mut db, provider, 0, None).await?;
        if self.json { print_json(&keys) } else { print(&table(&keys)) }
    }
}

async fn revoke(database: &Database, id: Uuid) -> Result<(), Failure> {
    let mut db = current(database).await?;
    let key = find(&mut db, id).await?;
    keys::revoke(&mut db, &By::command_line(None), &key).await?;
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
    let found: Option<(i32,)> = sqlx::query_as(include_str!("../../sql/keys/tenant.sql"))
        .bind(None::<i32>)
        .bind(named.key())
        .bind(named.id())
        .fetch_optional(db)
        .await?;
    found.map(|(id,)| id).ok_or_else(|| Failure::Failed(format!("there is no provider {named}")))
}

fn table(keys: &[StoredKey]) -> String {
    let day = |at: Option<DateTime<Utc>>| at.map_or("-".to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string());
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(["ID", "SCOPE", "PROVIDER", "NAME", "CREATED (UTC)", "EXPIRES", "REVOKED", "RATE"]);
    for key in keys {
        table.add_row([
            key.id.to_string(),
            key.scope.to_string(),
            key.provider.clone().unwrap_or("-".to_owned()),
            key.name.clone().unwrap_or("-".to_owned()),
            day(Some(key.created_at)),
            day(key.expires_at),
            day(key.revoked_at),
            told(key.rate),
        ]);
    }
    table.trim_fmt()
}

impl Expiry {
    /// None beyond the end of the calendar.
    fn instant(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::After(duration) => now.checked_add_signed(duration),
            Self::At(instant) => Some(instant),
        }
    }
}

fn expiry(text: &str) -> Result<Expiry, String> {
    let wrong = || "not a time from now such as 90d or 12h, nor an instant such as 2027-01-01T00:00:00Z".to_owned();
    let number = |digits: &str| digits.parse::<u32>().map(i64::from).map_err(|_| wrong());
    match text.char_indices().last() {
        Some((at, 'd')) => number(&text[..at]).map(|days| Expiry::After(Duration::days(days))),
        Some((at, 'h')) => number(&text[..at]).map(|hours| Expiry::After(Duration::hours(hours))),
        _ => DateTime::parse_from_rfc3339(text).map(|at| Expiry::At(at.to_utc())).map_err(|_| wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_a_time_from_now_or_an_instant() {
        assert_eq!(expiry("90d"), Ok(Expiry::After(Duration::days(90))));
        assert_eq!(expiry("12h"), Ok(Expiry::After(Duration::hours(12))));
        let instant = "2027-01-01T01:00:00+01:00";
        assert_eq!(expiry(instant), Ok(Expiry::At("2027-01-01T00:00:00Z".parse().unwrap())));
        for wrong in ["", "d", "-1d", "90", "2027-01-01", "2027-01-01T00:00:00", "1é"] {
            assert!(expiry(wrong).is_err(), "{wrong}");
        }
    }
}
