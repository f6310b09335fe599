//! `meterbase sql-roles`

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::postgres::PgConnectOptions;

use crate::analytics::Password;
use crate::analytics::roles::{self, NewRole, Role as SqlRole};
use crate::cli::keys::{current, provider_or_all};
use crate::cli::serve::some_time;
use crate::cli::{DatabaseArgs, Failure, print, print_json, say};
use crate::database::Database;
use crate::embedded::Role;

/// Create, list and drop roles of PostgreSQL that read the views for analysts, and nothing else
///
/// A role of a provider sees that provider's rows alone; docs/sql.md tells of the views.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  psql \"$(meterbase sql-roles create --provider northwind)\"
  meterbase sql-roles create --provider northwind --name anna --password-file anna.txt --connections 5
  meterbase sql-roles create --all --statement-timeout 10m
  meterbase sql-roles list
  meterbase sql-roles drop meterbase_anna")]
pub struct SqlRolesArgs {
    #[command(subcommand)]
    command: SqlRolesCommand,
}

#[derive(Debug, Subcommand)]
enum SqlRolesCommand {
    Create(CreateArgs),
    List(ListArgs),
    Drop(DropArgs),
}

/// Create a role and print how to connect as it, alone, on standard output: a URL with its password
///
/// The password is shown this once: PostgreSQL stores a SCRAM verifier of it. The first role of a database closes to all
/// roles what PostgreSQL and TimescaleDB let everybody do there: temporary tables, the schema public, TimescaleDB's own
/// schemas, advisory locks, large objects. Whoever else uses the database then needs grants of their own.
#[derive(Debug, Args)]
struct CreateArgs {
    /// Key or id of the provider whose rows it sees
    #[arg(long, env = "METERBASE_PROVIDER", value_name = "PROVIDER")]
    provider: Option<String>,
    /// It sees the rows of all providers
    #[arg(long, env = "METERBASE_SQL_ROLE_ALL", value_parser = FalseyValueParser::new())]
    all: bool,
    /// The role's name behind the database's, which comes first: a to z, 0 to 9 and _; every role of the server can see it
    /// [default: a random one]
    #[arg(long, env = "METERBASE_SQL_ROLE_NAME")]
    name: Option<String>,
    /// File whose first line is the password; it is not printed then [default: a random password]
    #[arg(long, env = "METERBASE_SQL_ROLE_PASSWORD_FILE", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Time after which a statement is ended, unless the analyst sets another limit
    #[arg(long, env = "METERBASE_SQL_ROLE_TIMEOUT", value_name = "TIME", default_value = "60s", value_parser = some_time)]
    statement_timeout: Duration,
    /// Connections that it may have at once
    #[arg(long, env = "METERBASE_SQL_ROLE_CONNECTIONS", default_value = "3",
        value_parser = clap::value_parser!(i32).range(1..=1000))]
    connections: i32,
    /// Make it although this database lets every role do what only a superuser can forbid
    #[arg(long, env = "METERBASE_SQL_ROLE_LEAVE_OPEN", value_parser = FalseyValueParser::new())]
    leave_open: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// List the roles that were made for this database, oldest first
#[derive(Debug, Args)]
struct ListArgs {
    /// As a JSON array
    #[arg(long, env = "METERBASE_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// End a role's connections and drop it
#[derive(Debug, Args)]
struct DropArgs {
    /// Name of the role, as `sql-roles list` shows it
    #[arg(env = "METERBASE_SQL_ROLE")]
    role: String,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl SqlRolesArgs {
    pub async fn run(self) -> Result<(), Failure> {
        match self.command {
            SqlRolesCommand::Create(args) => {
                args.check()?;
                args.database.with(Role::Command, async |database| args.run(database).await).await
            }
            SqlRolesCommand::List(args) => {
                args.database.with(Role::Command, async |database| list(database, args.json).await).await
            }
            SqlRolesCommand::Drop(args) => {
                args.database.with(Role::Command, async |database| drop(database, &args.role).await).await
            }
        }
    }
}

impl CreateArgs {
    /// What can be seen without a database.
    fn check(&self) -> Result<(), Failure> {
        let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
        let is_word = |name: &String| {
            let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            (1..=32).contains(&name.len()) && name.chars().all(word)
        };
        match (&self.provider, self.all) {
            (Some(_), true) => usage("--all sees every provider: leave --provider out"),
            (None, false) => usage("say whose rows it sees: --provider PROVIDER, or --all"),
            _ if !self.name.as_ref().is_none_or(is_word) => usage("--name has 1 to 32 characters of a-z, 0-9 and _"),
            _ => Ok(()),
        }
    }

    async fn run(&self, database: &Database) -> Result<(), Failure> {
        let mut db = current(database).await?;
        let provider_id = provider_or_all(&mut db, self.provider.as_deref()).await?;
        let here: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(&mut db).await?;
        let password = match &self.password_file {
            Some(file) => chosen(file)?,
            None => Password::random()?,
        };
        let new = NewRole {
            name: role_name(&here, self.name.as_deref())?,
            provider_id,
            password,
            statement_timeout: TimeDelta::from_std(self.statement_timeout)?,
            connections: self.connections,
        };
        for open in roles::create(&mut db, &new, self.leave_open).await? {
            say(&format!("warning: open to {} as to every role of this server: {}", new.name, open.what));
        }
        let whose = self.provider.as_ref().map_or("all providers".to_owned(), |named| format!("the provider {named}"));
        say(&format!("the role {} sees {whose}; connect with psql '<URL>'", new.name));
        let password = self.password_file.is_none().then_some(&new.password);
        print(&url(&database.options, &here, &new.name, password))
    }
}

/// Roles are the server's, so each is named after its database. What it is for is not in a random name: all can see it.
fn role_name(database: &str, name: Option<&str>) -> Result<String, Failure> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes)?;
            format!("analyst_{:08x}", u32::from_be_bytes(bytes))
        }
    };
    let whole = format!("{database}_{name}");
    if whole.len() > 63 {
        return Err(Failure::Usage(format!("the role's name, {whole}, would be longer than 63 characters")));
    }
    Ok(whole)
}

fn chosen(file: &Path) -> Result<Password, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::Failed(format!("--password-file {}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    Password::chosen(text.lines().next().unwrap_or_default()).map_err(|error| failed(&error))
}

/// How to connect as a role, in the words that psql and most drivers take.
fn url(options: &PgConnectOptions, database: &str, role: &str, password: Option<&Password>) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let password = password.map(|password| format!(":{}", encoded(password.reveal()))).unwrap_or_default();
    let socket = options.get_socket().map(|socket| socket.display().to_string());
    let host = if socket.is_some() { "localhost" } else { options.get_host() };
    // A directory of sockets may also stand where a host does.
    let (host, socket) = if host.starts_with('/') { ("localhost", Some(host.to_owned())) } else { (host, socket) };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let socket = socket.map(|socket| format!("?host={}", encoded(&socket))).unwrap_or_default();
    // PostgreSQL takes _ as it is, which is easier to read.
    let role = encoded(role).replace("%5F", "_");
    format!(
        "postgresql://{role}{password}@{host}:{}/{}{socket}",
        options.get_port(),
        encoded(database).replace("%5F", "_")
    )
}

async fn list(database: &Database, json: bool) -> Result<(), Failure> {
    let mut db = current(database).await?;
    let roles = roles::list(&mut db).await?;
    if json { print_json(&roles) } else { print(&table(&roles)) }
}

async fn drop(database: &Database, role: &str) -> Result<(), Failure> {
    let mut db = current(database).await?;
    if roles::drop(&mut db, role).await? {
        say(&format!("the role {role} is dropped"));
        Ok(())
    } else {
        Err(Failure::Failed(format!(
            "no role {role} was made for this database; `meterbase sql-roles list` shows those there are"
        )))
    }
}

fn table(roles: &[SqlRole]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(["ROLE", "PROVIDER", "CREATED (UTC)", "CONNECTIONS", "STATE"]);
    for role in roles {
        table.add_row([
            role.role.clone(),
            role.provider.clone().unwrap_or("(all)".to_owned()),
            role.created_at.format("%Y-%m-%d %H:%M").to_string(),
            format!("{} of {}", role.connected, role.connections.map_or("-".to_owned(), |limit| limit.to_string())),
            if role.usable { "usable" } else { "PostgreSQL has no such role" }.to_owned(),
        ]);
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_what_psql_takes() {
        let password = Password::chosen("p@ss:word/0123456").unwrap();
        let options = PgConnectOptions::new_without_pgpass().port(5433);
        let of = |options: PgConnectOptions, password| url(&options, "energy", "energy_anna", password);
        assert_eq!(of(options.clone().host("db.example"), None), "postgresql://energy_anna@db.example:5433/energy");
        assert_eq!(
            of(options.clone().host("::1"), Some(&password)),
            "postgresql://energy_anna:p%40ss%3Aword%2F0123456@[::1]:5433/energy"
        );
        let socket = "postgresql://energy_anna@localhost:5433/energy?host=%2Frun%2Fpg";
        assert_eq!(of(options.clone().socket("/run/pg"), None), socket);
        assert_eq!(of(options.host("/run/pg"), None), socket);
    }
}
