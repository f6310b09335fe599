//! `meterbase enrollment-tokens`

use chrono::Utc;
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use sqlx::Connection;
use uuid::Uuid;

use crate::cli::keys::create::{Expiry, expiry, part_id};
use crate::cli::keys::{current, moment_or_dash, provider_id};
use crate::cli::listed::Listed;
use crate::cli::{DatabaseArgs, Failure, print, say};
use crate::database::Database;
use crate::embedded::Role;
use crate::enroll::{self, NewToken, StoredToken};
use crate::registry::audit::By;
use crate::registry::ownership::Owner;

/// Create, list and revoke tokens with which devices register themselves
///
/// Works on the database itself, so it needs no key. Also while a server runs on it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase enrollment-tokens create --provider northwind --customer acme --expires 7d --uses 50
  meterbase enrollment-tokens create --provider northwind --customer acme --group roof --expires 1d --without-approval
  meterbase enrollment-tokens list --provider northwind
  meterbase enrollment-tokens revoke 0199d0a4-5b1e-7c42-9a6f-0d3a4c5b6e7f")]
pub struct EnrollmentTokensArgs {
    #[command(subcommand)]
    command: TokensCommand,
}

#[derive(Debug, Subcommand)]
enum TokensCommand {
    Create(CreateArgs),
    /// List tokens, oldest first, without their secrets
    List(Listed),
    Revoke(RevokeArgs),
}

/// Create a token and print it, alone, on standard output
///
/// It is shown this once: only a hash of it is stored.
#[derive(Debug, Args)]
struct CreateArgs {
    /// Key or id of the provider
    #[arg(long, env = "METERBASE_PROVIDER", value_name = "PROVIDER")]
    provider: String,
    /// Key or id of the customer whose devices it makes
    #[arg(long, env = "METERBASE_ENROLLMENT_CUSTOMER")]
    customer: String,
    /// Key or id of the group of that customer that they are in [default: none]
    #[arg(long, env = "METERBASE_ENROLLMENT_GROUP")]
    group: Option<String>,
    /// Name by which people know it, up to 256 characters
    #[arg(long, env = "METERBASE_ENROLLMENT_NAME")]
    name: Option<String>,
    /// When it ends: a time from now such as 7d or 12h, or an instant such as 2027-01-01T00:00:00Z
    #[arg(long, env = "METERBASE_ENROLLMENT_EXPIRES", value_name = "WHEN", value_parser = expiry)]
    expires: Expiry,
    /// How many devices may enroll with it
    #[arg(long, env = "METERBASE_ENROLLMENT_USES", value_name = "DEVICES", default_value_t = 1,
        value_parser = clap::value_parser!(i32).range(1..=i64::from(enroll::MOST_USES)))]
    uses: i32,
    /// Nobody has to approve its devices
    #[arg(long, env = "METERBASE_ENROLLMENT_WITHOUT_APPROVAL", value_parser = FalseyValueParser::new())]
    without_approval: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Revoke a token; devices that enrolled with it stay
#[derive(Debug, Args)]
struct RevokeArgs {
    /// Id of the token, as `enrollment-tokens list` shows it
    #[arg(env = "METERBASE_ENROLLMENT_TOKEN_ID")]
    id: Uuid,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl EnrollmentTokensArgs {
    pub async fn run(self) -> Result<(), Failure> {
        match self.command {
            TokensCommand::Create(args) => {
                args.database.with(Role::Command, async |database| args.run(database).await).await
            }
            TokensCommand::List(listed) => {
                listed.show(async |db, provider| enroll::list_tokens(db, provider, 0, None).await, table).await
            }
            TokensCommand::Revoke(args) => {
                args.database.with(Role::Command, async |database| revoke(database, args.id).await).await
            }
        }
    }
}

impl CreateArgs {
    async fn run(&self, database: &Database) -> Result<(), Failure> {
        let expires_at = self.expires.instant(Utc::now()).filter(|at| *at > Utc::now());
        let expires_at = expires_at.ok_or_else(|| Failure::Usage("--expires must be in the future".to_owned()))?;
        if self.name.as_ref().is_some_and(|name| !(1..=256).contains(&name.chars().count())) {
            return Err(Failure::Usage("--name has 1 to 256 characters".to_owned()));
        }
        let mut db = current(database).await?;
        let provider = provider_id(&mut db, &self.provider).await?;
        let customer_id = part_id(&mut db, provider, "customer", &self.customer).await?;
        let group_id = match &self.group {
            Some(named) => Some(part_id(&mut db, provider, "group", named).await?),
            None => None,
        };
        let (owner, name) = (Owner { customer_id, group_id }, self.name.as_deref());
        let new = NewToken { owner, name, expires_at, uses: self.uses, approval: !self.without_approval };
        let (token, _) = enroll::make_token(&mut db, &By::command_line(Some(provider)), &new).await?;
        print(&token.reveal())
    }
}

async fn revoke(database: &Database, id: Uuid) -> Result<(), Failure> {
    let mut db = current(database).await?;
    let mut db = db.begin().await?;
    let no_such = || Failure::Failed(format!("there is no enrollment token {id}"));
    let token = enroll::find_token(&mut db, None, id).await?.ok_or_else(no_such)?;
    enroll::revoke_token(&mut db, &By::command_line(None), &token).await?;
    db.commit().await?;
    say(&format!("enrollment token {id} is revoked"));
    Ok(())
}

fn table(tokens: &[StoredToken]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header([
        "ID",
        "PROVIDER",
        "CUSTOMER",
        "GROUP",
        "NAME",
        "APPROVAL",
        "USED",
        "CREATED (UTC)",
        "EXPIRES",
        "REVOKED",
    ]);
    for token in tokens {
        table.add_row([
            token.id.to_string(),
            token.provider.clone(),
            token.customer.clone(),
            token.group.clone().unwrap_or("-".to_owned()),
            token.name.clone().unwrap_or("-".to_owned()),
            if token.approval { "yes" } else { "no" }.to_owned(),
            format!("{} of {}", token.uses, token.uses_allowed),
            moment_or_dash(Some(token.created_at)),
            moment_or_dash(Some(token.expires_at)),
            moment_or_dash(token.revoked_at),
        ]);
    }
    table.trim_fmt()
}
