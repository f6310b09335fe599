//! The fleet that is registered: one provider and metric, customers below one in four time zones, groups, devices.

use clap::Args;
use serde::Serialize;
use sqlx::PgConnection;

use crate::cli::Failure;
use crate::cli::bench::steps::Step;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Size {
    pub devices: u32,
    /// Below the one customer that is above all others.
    pub customers: u32,
    pub groups: u32,
}

/// Among whom the devices are.
#[derive(Debug, Args)]
pub struct Owners {
    /// Customers, all below one
    #[arg(long, env = "METERBASE_CUSTOMERS", value_name = "NUMBER", default_value = "1000",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    customers: u32,
    /// Groups; at least as many as customers
    #[arg(long, env = "METERBASE_GROUPS", value_name = "NUMBER", default_value = "3000",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    groups: u32,
}

impl Owners {
    /// The size of their fleet.
    pub fn with(&self, devices: u32) -> Result<Size, Failure> {
        let Self { customers, groups } = *self;
        if groups < customers {
            return Err(Failure::Usage("--groups must be at least --customers: every customer has groups".to_owned()));
        }
        Ok(Size { devices, customers, groups })
    }
}

/// Key of the provider that all of it belongs to.
pub const PROVIDER: &str = "bench";

/// Devices that are registered in one transaction.
const BATCH: u32 = 20_000;

/// Name of the provider: tells on a second run what the data is for, and of which size.
pub fn name(of: &str, size: Size) -> String {
    format!("meterbase bench {of}: {} devices, {} customers, {} groups", size.devices, size.customers, size.groups)
}

/// The database is to be its own: what is written here is nobody's reading.
pub async fn refuse_others(db: &mut PgConnection, name: &str) -> Result<(), Failure> {
    let found: Vec<(String, String)> =
        sqlx::query_as("SELECT key::text, name FROM provider ORDER BY key = $1::text, key")
            .bind(PROVIDER)
            .fetch_all(&mut *db)
            .await?;
    let refused =
        |why: String| Err(Failure::Failed(format!("{why}; take another --data-dir, or a database of its own")));
    match found.first() {
        None => Ok(()),
        Some((key, found)) if key == PROVIDER && found == name => Ok(()),
        Some((key, found)) if key == PROVIDER => refused(format!("the database was filled for {found:?}")),
        Some((key, _)) => refused(format!("the database has the data of the provider {key}")),
    }
}

/// What registers a fleet in a provider of this name.
pub fn registry(size: Size, name: &str) -> Vec<Step> {
    let (customers, groups) = (size.customers.cast_signed(), size.groups.cast_signed());
    let registry = include_str!("../../../sql/bench/registry.sql").replace("{name}", name);
    let batches = (0..size.devices).step_by(BATCH as usize).map(|from| {
        let to = (from + BATCH).min(size.devices);
        let sql = include_str!("../../../sql/bench/devices.sql");
        Step::new(format!("devices from {from}"), "device", sql).numbers([from.cast_signed(), to.cast_signed(), groups])
    });
    let first = Step::new("registry".to_owned(), "device_group", &registry).numbers([customers, groups]);
    [first].into_iter().chain(batches).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_devices_are_registered_once() {
        let size = Size { devices: 45_000, customers: 10, groups: 30 };
        let numbers: Vec<_> =
            registry(size, "a fleet").into_iter().filter(|step| step.table == "device").map(|s| s.numbers).collect();
        assert_eq!(numbers, [[0, 20_000, 30], [20_000, 40_000, 30], [40_000, 45_000, 30]]);
    }
}
