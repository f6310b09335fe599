//! Load, faults in it, and what must hold afterwards.

use std::time::Duration;

use meterbase::fleet::random::Random;
use reqwest::Method;
use serde_json::json;

use super::check::{self, Compared};
use super::clients::Manner;
use super::faults::Fault;
use super::load::{CUSTOMERS, UNKNOWN};
use super::stored::Stored;
use super::world::{PROVIDER, World};
use super::{figures, oracle};
use crate::binary::Patience;

/// Requests that are acknowledged before, between and after faults, at least; up to twice as many.
const BETWEEN: u64 = 15;

/// A load with faults in it, each when so many requests as are drawn have been acknowledged since the one before.
pub async fn under_load(world: &mut World, manner: Manner, faults: &[Fault]) -> Result<(), String> {
    let mut draw = Random::of(&[world.seed, 7]);
    let load = world.load(manner);
    for fault in faults {
        load.acknowledge(BETWEEN + draw.below(BETWEEN)).await;
        fault.strike(world, &load, &mut draw).await;
    }
    // It goes on by itself.
    load.acknowledge(BETWEEN).await;
    load.end().await
}

/// Everything that must hold when nothing happens any more.
pub async fn check(world: &World) -> Result<Compared, String> {
    works_again(world).await?;
    let requests = oracle::read(&world.oracles());
    let stored = read(world).await?;
    let compared = check::compare(&requests, &stored)?;
    figures::accounts(world, PROVIDER, &requests, &stored).await?;
    figures::usage(world, PROVIDER, &stored).await?;
    figures::verify(world)?;
    Ok(compared)
}

/// Registers what was not known: what waited for it is stored, and all holds still.
pub async fn check_replayed(world: &World) -> Result<Compared, String> {
    let devices = UNKNOWN.map(|device| json!({"key": device, "customer": CUSTOMERS[0].0}));
    let path = format!("/v1/devices?provider={PROVIDER}");
    let answer = world.call(Method::POST, &path, Some(devices.into_iter().collect())).await;
    if answer.status != 200 {
        return Err(answer.text);
    }
    let (mut db, mut patience) = (world.db().await, Patience::for_("an empty quarantine"));
    const LEFT: &str = "SELECT EXISTS (SELECT FROM quarantine) OR EXISTS (SELECT FROM quarantine_due)";
    while sqlx::query_scalar(LEFT).fetch_one(&mut db).await.map_err(|error| error.to_string())? {
        patience.poll().await;
    }
    check(world).await
}

async fn read(world: &World) -> Result<Stored, String> {
    Stored::read(&mut world.db().await, PROVIDER).await
}

/// Without help: every server is ready. That it stores readings again, the load shows that goes on behind the last fault.
async fn works_again(world: &World) -> Result<(), String> {
    for server in world.servers.iter().flatten() {
        let mut patience = Patience::for_("a server that is ready");
        loop {
            let request = world.client.get(format!("{}/readyz", server.url)).timeout(Duration::from_secs(20));
            match request.send().await {
                Ok(answer) if answer.status() == 200 => break,
                Ok(answer) if answer.status() == 503 => patience.poll().await,
                other => return Err(format!("/readyz: {other:?}")),
            }
        }
    }
    Ok(())
}
