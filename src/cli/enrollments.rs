//! `meterbase enrollments`

use clap::{Args, Subcommand};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::cli::keys::{current, moment_or_dash};
use crate::cli::listed::Listed;
use crate::cli::{DatabaseArgs, Failure, say};
use crate::database::Database;
use crate::embedded::Role;
use crate::enroll::{self, Enrollment, State};
use crate::http::access::Tenant;
use crate::http::problem::Problem;
use crate::registry::audit::By;
use crate::registry::lock_stamping;

/// List, approve, refuse and delete enrollments of devices
///
/// Works on the database itself, so it needs no key. Also while a server runs on it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase enrollments list --provider northwind --state pending
  meterbase enrollments approve 0199d0a4-5b1e-7c42-9a6f-0d3a4c5b6e7f
  meterbase enrollments refuse 0199d0a4-5b1e-7c42-9a6f-0d3a4c5b6e7f")]
pub struct EnrollmentsArgs {
    #[command(subcommand)]
    command: EnrollmentsCommand,
}

#[derive(Debug, Subcommand)]
enum EnrollmentsCommand {
    List(ListArgs),
    /// Approve an enrollment: its device is registered, and what it posted counts
    Approve(OneArgs),
    /// Refuse an enrollment: its key is revoked
    Refuse(OneArgs),
    /// Delete an enrollment: its key is revoked, and the device may enroll once more
    Delete(OneArgs),
}

/// List enrollments, oldest first
#[derive(Debug, Args)]
struct ListArgs {
    /// Only those that are so far
    #[arg(long, env = "METERBASE_ENROLLMENT_STATE")]
    state: Option<State>,
    #[command(flatten)]
    listed: Listed,
}

#[derive(Debug, Args)]
struct OneArgs {
    /// Id of the enrollment, as `enrollments list` shows it
    #[arg(env = "METERBASE_ENROLLMENT_ID")]
    id: Uuid,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// What is to become of an enrollment.
#[derive(Debug, Clone, Copy)]
enum Decision {
    Approve,
    Refuse,
    Delete,
}

impl EnrollmentsArgs {
    pub async fn run(self) -> Result<(), Failure> {
        let (args, decision) = match self.command {
            EnrollmentsCommand::List(ListArgs { state, listed }) => {
                let list = async |db: &mut PgConnection, provider| enroll::list(db, provider, state, 0, None).await;
                return listed.show(list, table).await;
            }
            EnrollmentsCommand::Approve(args) => (args, Decision::Approve),
            EnrollmentsCommand::Refuse(args) => (args, Decision::Refuse),
            EnrollmentsCommand::Delete(args) => (args, Decision::Delete),
        };
        args.database.with(Role::Command, async |database| decide(database, args.id, decision).await).await
    }
}

async fn decide(database: &Database, id: Uuid, decision: Decision) -> Result<(), Failure> {
    let mut db = current(database).await?;
    let mut db = db.begin().await?;
    let no_such = || Failure::Failed(format!("there is no enrollment {id}"));
    let found = enroll::find(&mut db, None, id).await?.ok_or_else(no_such)?;
    if matches!(decision, Decision::Approve) {
        lock_stamping(&mut db, found.provider_id).await?;
    }
    let enrollment = enroll::lock(&mut db, None, id).await?.ok_or_else(no_such)?;
    let by = By::command_line(Some(enrollment.provider_id));
    let said = |problem: Problem| Failure::Failed(problem.detail);
    let done = match decision {
        Decision::Approve => {
            let tenant = Tenant::of_provider(&mut db, enrollment.provider_id, by).await?;
            enroll::approve(&mut db, &tenant, &enrollment).await.map_err(said)?;
            "approved"
        }
        Decision::Refuse => {
            enroll::refuse(&mut db, &by, &enrollment).await.map_err(said)?;
            "refused"
        }
        Decision::Delete => {
            enroll::forget(&mut db, &by, &enrollment).await?;
            "deleted"
        }
    };
    db.commit().await?;
    say(&format!("the enrollment of {} is {done}", enrollment.device));
    Ok(())
}

fn table(enrollments: &[Enrollment]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header([
        "ID",
        "STATE",
        "PROVIDER",
        "CUSTOMER",
        "GROUP",
        "DEVICE",
        "SERIAL",
        "MODEL",
        "FIRMWARE",
        "ASKED (UTC)",
        "DECIDED",
    ]);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
    for one in enrollments {
        table.add_row([
            one.id.to_string(),
            format!("{:?}", one.state).to_lowercase(),
            one.provider.clone(),
            one.customer.clone(),
            or_dash(&one.group),
            one.device.clone(),
            one.serial.clone(),
            or_dash(&one.model),
            or_dash(&one.firmware),
            moment_or_dash(Some(one.created_at)),
            moment_or_dash(one.decided_at),
        ]);
    }
    table.trim_fmt()
}
