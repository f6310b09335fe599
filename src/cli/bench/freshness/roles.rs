//! What PostgreSQL's processes take, by what they do for the server.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::PgConnection;

use crate::cli::bench::ingest::process::{self, Postmaster};

/// Seconds of processor time, or processors that were busy on average.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Cores {
    pub server: f64,
    /// Backends that store readings.
    pub storing: f64,
    /// Backends that answer questions.
    pub answering: f64,
    /// The backend that follows changes, and workers of TimescaleDB in this database, whose jobs are the rollups'.
    pub rollups: f64,
    /// Checkpoints, the log, vacuum, and what ended before it was looked at.
    pub other_postgres: f64,
    /// This process, which sends and asks.
    pub generator: f64,
    /// Everything else on the machine.
    pub others: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Storing,
    Answering,
    Rollups,
    Other,
}

/// A process of PostgreSQL.
#[derive(Debug, sqlx::FromRow)]
struct Backend {
    pid: i32,
    application: Option<String>,
    backend_type: String,
}

/// Looks at the processes now and then; between two looks it knows nothing.
pub struct Roles {
    db: PgConnection,
    server: u32,
    postmaster: Option<Postmaster>,
    /// What each process had taken when it was last looked at.
    known: HashMap<u32, f64>,
    /// By role since the first look.
    taken: Cores,
    /// Of the server, of PostgreSQL, of this process and of the machine at the first look.
    before: [f64; 4],
}

impl Backend {
    fn role(&self) -> Role {
        match (self.application.as_deref().unwrap_or_default(), self.backend_type.as_str()) {
            (name, "client backend") if name.starts_with("meterbase ingest") => Role::Storing,
            ("meterbase query", "client backend") => Role::Answering,
            ("meterbase rollups", "client backend") => Role::Rollups,
            (_, "client backend" | "autovacuum worker" | "parallel worker" | "") => Role::Other,
            _ => Role::Rollups,
        }
    }
}

impl Roles {
    /// Begins with the processes that there are.
    pub async fn start(mut db: PgConnection, server: u32) -> sqlx::Result<Self> {
        let postmaster = Postmaster::of(&mut db).await?;
        let before = clocks(server, postmaster);
        let mut roles = Self { db, server, postmaster, known: HashMap::new(), taken: Cores::default(), before };
        roles.look().await?;
        roles.taken = Cores::default();
        Ok(roles)
    }

    /// Looks at the processes that there are now. What came since the last look has taken all it took since then.
    pub async fn look(&mut self) -> sqlx::Result<()> {
        let backends: Vec<Backend> =
            sqlx::query_as(include_str!("../../../../sql/bench/backends.sql")).fetch_all(&mut self.db).await?;
        let mut known = HashMap::new();
        for backend in backends {
            let pid = backend.pid.cast_unsigned();
            let Some(now) = process::cpu(pid) else { continue };
            let before = self.known.get(&pid).copied().filter(|before| *before <= now).unwrap_or(0.0);
            match backend.role() {
                Role::Storing => self.taken.storing += now - before,
                Role::Answering => self.taken.answering += now - before,
                Role::Rollups => self.taken.rollups += now - before,
                Role::Other => {}
            }
            known.insert(pid, now);
        }
        self.known = known;
        Ok(())
    }

    /// Seconds of processor time since the start, as of the last look.
    pub fn seconds(&self) -> Cores {
        let after = clocks(self.server, self.postmaster);
        let [server, postgres, generator, machine] = [0, 1, 2, 3].map(|of| (after[of] - self.before[of]).max(0.0));
        let Cores { storing, answering, rollups, .. } = self.taken;
        let other_postgres = (postgres - storing - answering - rollups).max(0.0);
        let others = (machine - server - postgres - generator).max(0.0);
        Cores { server, generator, other_postgres, others, ..self.taken }
    }
}

/// 0 for what cannot be told.
fn clocks(server: u32, postmaster: Option<Postmaster>) -> [f64; 4] {
    let postgres = postmaster.and_then(Postmaster::cpu);
    [process::cpu(server), postgres, Some(process::own_cpu()), process::machine_cpu()].map(Option::unwrap_or_default)
}

impl Cores {
    /// From one reading of the seconds to this one, for each of so many seconds.
    pub fn since(&self, before: &Self, seconds: f64) -> Self {
        let of = |now: f64, before: f64| (now - before).max(0.0) / seconds;
        Self {
            server: of(self.server, before.server),
            storing: of(self.storing, before.storing),
            answering: of(self.answering, before.answering),
            rollups: of(self.rollups, before.rollups),
            other_postgres: of(self.other_postgres, before.other_postgres),
            generator: of(self.generator, before.generator),
            others: of(self.others, before.others),
        }
    }
}

impl std::fmt::Display for Cores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { server, storing, answering, rollups, other_postgres, generator, others } = self;
        write!(f, "server {server:.2}, storing {storing:.2}, answering {answering:.2}, rollups {rollups:.2}, ")?;
        write!(f, "PostgreSQL's own {other_postgres:.2}, generator {generator:.2}, others {others:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_s_role_is_told_by_its_names() {
        let role = |application: &str, backend_type: &str| {
            let application = Some(application.to_owned());
            Backend { pid: 1, application, backend_type: backend_type.to_owned() }.role()
        };
        assert_eq!(role("meterbase ingest waiting", "client backend"), Role::Storing);
        assert_eq!(role("meterbase query", "client backend"), Role::Answering);
        assert_eq!(role("meterbase rollups", "client backend"), Role::Rollups);
        assert_eq!(
            role("Refresh Continuous Aggregate Policy [1003]", "Refresh Continuous Aggregate Policy"),
            Role::Rollups
        );
        assert_eq!(role("meterbase", "client backend"), Role::Other);
        assert_eq!(role("", "autovacuum worker"), Role::Other);
    }

    #[test]
    fn shares_are_of_the_time_between() {
        let before = Cores { server: 1.0, rollups: 2.0, ..Cores::default() };
        let after = Cores { server: 2.0, rollups: 7.0, ..Cores::default() };
        assert_eq!(after.since(&before, 10.0), Cores { server: 0.1, rollups: 0.5, ..Cores::default() });
    }
}
