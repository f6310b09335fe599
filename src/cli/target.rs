//! Where commands post to: a server that runs (`--url`), or the database itself, for which one is run meanwhile.

use chrono::{TimeDelta, Utc};
use clap::Args;
use sqlx::PgConnection;

use crate::cli::{DatabaseArgs, Failure};
use crate::client::Client;
use crate::database::Database;
use crate::embedded::Role;
use crate::keys::{self, Scope};
use crate::registry::audit::By;
use crate::server::{ServeConfig, Server};

/// The options of a command that posts: flatten it into the command's arguments.
#[derive(Debug, Clone, Args)]
pub struct TargetArgs {
    /// Server to post to, such as http://127.0.0.1:8080; needs --key
    ///
    /// Without it the command works on the database, and runs a server of its own on a free local port meanwhile.
    #[arg(long, env = "METERBASE_URL", value_name = "URL")]
    url: Option<String>,
    /// API key for that server
    #[arg(long, env = "METERBASE_KEY", value_name = "KEY", hide_env_values = true)]
    key: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// How long the key of such a run is good, should the run end without revoking it.
const KEY_LIFETIME: TimeDelta = TimeDelta::days(2);

impl TargetArgs {
    /// Where it posts to, in words; never the key.
    pub fn place(&self) -> String {
        self.url.clone().unwrap_or_else(|| format!("{:?}", self.database))
    }

    /// Does the work with a client. `name` is the name of the key that a run on a database makes for itself.
    pub async fn with(
        &self,
        name: &'static str,
        work: impl AsyncFnOnce(Client) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match (&self.url, &self.key) {
            (Some(url), Some(key)) => work(Client::new(url, key)?).await,
            (Some(_), None) => Err(Failure::Usage("--url needs --key, an API key of that server".to_owned())),
            (None, Some(_)) => Err(Failure::Usage("--key needs --url, the server that it is for".to_owned())),
            (None, None) => {
                self.database.with(Role::Command, async |database| on_database(database, name, work).await).await
            }
        }
    }
}

async fn on_database(
    database: &Database,
    name: &'static str,
    work: impl AsyncFnOnce(Client) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let config = ServeConfig { listen: "127.0.0.1:0".to_owned(), ..ServeConfig::default() };
    let server = Server::start(&config, database).await?;
    let done = with_key(&server, database, name, work).await;
    let stopped = server.stop().await;
    done?;
    Ok(stopped?)
}

async fn with_key(
    server: &Server,
    database: &Database,
    name: &'static str,
    work: impl AsyncFnOnce(Client) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut db = database.connect().await?;
    let expires = Some(Utc::now() + KEY_LIFETIME);
    let key = keys::create(&mut db, Scope::Admin, None, Some(name), expires).await?;
    let done = work(Client::new(server.url(), &key.reveal())?).await;
    let revoked = revoke(&mut db, name).await;
    done?;
    Ok(revoked?)
}

/// Revokes the good admin keys of a name, of this run and of runs that could not.
pub async fn revoke(db: &mut PgConnection, name: &str) -> sqlx::Result<()> {
    for key in keys::list(db, None, 0, None).await? {
        if key.revoked_at.is_none() && key.name.as_deref() == Some(name) {
            keys::revoke(db, &By::command_line(None), &key).await?;
        }
    }
    Ok(())
}
