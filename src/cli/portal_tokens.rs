//! `meterbase portal-tokens`

use clap::{Args, Subcommand};
use sqlx::Connection;
use uuid::Uuid;

use crate::cli::keys::{current, moment_or_dash};
use crate::cli::listed::Listed;
use crate::cli::{DatabaseArgs, Failure, say};
use crate::database::Database;
use crate::embedded::Role;
use crate::keys::{self, StoredPortalToken};
use crate::registry::audit::By;

/// List and revoke tokens with which portals' browsers read
///
/// Portals make them with `POST /v1/portal-tokens`. Works on the database itself, so it needs no key. Also while a server runs
/// on it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase portal-tokens list --provider northwind
  meterbase portal-tokens revoke 0199d0a4-5b1e-7c42-9a6f-0d3a4c5b6e7f")]
pub struct PortalTokensArgs {
    #[command(subcommand)]
    command: TokensCommand,
}

#[derive(Debug, Subcommand)]
enum TokensCommand {
    /// List tokens, oldest first, without their secrets
    List(Listed),
    Revoke(RevokeArgs),
}

/// Revoke a token; it is refused from then on
#[derive(Debug, Args)]
struct RevokeArgs {
    /// Id of the token, as `portal-tokens list` shows it
    #[arg(env = "METERBASE_PORTAL_TOKEN_ID")]
    id: Uuid,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl PortalTokensArgs {
    pub async fn run(self) -> Result<(), Failure> {
        match self.command {
            TokensCommand::List(listed) => {
                listed.show(async |db, provider| keys::list_portal_tokens(db, provider, 0, None).await, table).await
            }
            TokensCommand::Revoke(args) => {
                args.database.with(Role::Command, async |database| revoke(database, args.id).await).await
            }
        }
    }
}

async fn revoke(database: &Database, id: Uuid) -> Result<(), Failure> {
    let mut db = current(database).await?;
    let mut db = db.begin().await?;
    let no_such = || Failure::Failed(format!("there is no portal token {id}"));
    let token = keys::find_portal_token(&mut db, id).await?.ok_or_else(no_such)?;
    keys::revoke_portal_token(&mut db, &By::command_line(None), &token).await?;
    db.commit().await?;
    say(&format!("portal token {id} is revoked"));
    Ok(())
}

fn table(tokens: &[StoredPortalToken]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(["ID", "PROVIDER", "CUSTOMER", "MADE BY", "CREATED (UTC)", "EXPIRES", "REVOKED"]);
    for token in tokens {
        table.add_row([
            token.id.to_string(),
            token.provider.clone(),
            token.customer.clone(),
            token.key_id.to_string(),
            moment_or_dash(Some(token.created_at)),
            moment_or_dash(Some(token.expires_at)),
            moment_or_dash(token.revoked_at),
        ]);
    }
    table.trim_fmt()
}
