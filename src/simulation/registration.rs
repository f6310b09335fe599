//! Makes a fleet known to a server. Doing it again changes nothing.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use crate::client::Client;
use crate::fleet::catalog::{Kind, Metric, PROVIDERS};
use crate::fleet::plan::Plan;
use crate::fleet::roster::{Device, Fleet, Owner, Roster};
use crate::simulation::SimulationError;

/// Most devices of one request; the API takes twice as many.
const DEVICES_AT_ONCE: usize = 5_000;

/// The plan to follow: what is asked for, or the fleet that is there already, up to the later end of the two. The
/// server may hold no other fleet, for its totals would not be known.
pub async fn settle(client: &Client, asked: Plan) -> Result<Plan, SimulationError> {
    let mut plan = asked;
    for provider in PROVIDERS {
        let Some(found) = client.find(&format!("/v1/providers/{}", provider.key)).await? else { continue };
        let there = Plan::of_name(found["name"].as_str().unwrap_or_default());
        let there = there.ok_or(SimulationError::NotSimulated(provider.key))?;
        if (there.seed, there.devices) != (asked.seed, asked.devices) {
            return Err(SimulationError::OtherFleet { there });
        }
        plan = there.extended(plan.until)?;
    }
    Ok(plan)
}

/// Makes what is missing.
pub async fn register(client: &Client, fleet: &Fleet) -> Result<(), SimulationError> {
    for roster in &fleet.providers {
        let catalog = roster.catalog;
        let body = json!({"name": format!("{} {}", catalog.name, fleet.plan), "time_zone": catalog.time_zone.name()});
        client.put(&format!("/v1/providers/{}", catalog.key), &body).await?;
        let client = client.in_provider(catalog.key);
        for metric in catalog.metrics {
            client.put(&format!("/v1/metrics/{}", metric.key), &metric_body(metric)).await?;
        }
        for customer in catalog.customers {
            let zone = customer.time_zone.map(|zone| zone.name());
            let body = without_nulls(json!({"name": customer.name, "parent": customer.parent, "time_zone": zone}));
            client.put(&format!("/v1/customers/{}", customer.key), &body).await?;
        }
        for group in &roster.groups {
            let customer = catalog.customers[group.customer].key;
            let body = json!({"name": group.name, "customer": customer, "kind": group.kind});
            client.put(&format!("/v1/groups/{}", group.key), &body).await?;
        }
        register_devices(&client, roster).await?;
    }
    Ok(())
}

fn metric_body(metric: &Metric) -> Value {
    let kind = match metric.kind {
        Kind::Delta => "delta",
        Kind::Register => "register",
        Kind::Gauge => "gauge",
    };
    let rollover_at = metric.rollover_at.map(|end| crate::fleet::feed::decimal(end.into(), metric.scale));
    without_nulls(json!({
        "name": metric.name, "unit": metric.unit, "kind": kind, "scale": metric.scale, "rollover_at": rollover_at,
    }))
}

/// Devices that change hands are registered with their first owner and moved, unless that was done before: putting the
/// first owner again would be another move.
async fn register_devices(client: &Client, roster: &Roster) -> Result<(), SimulationError> {
    let (moving, staying): (Vec<_>, Vec<_>) = roster.devices.iter().partition(|device| device.moved.is_some());
    put_devices(client, roster, &staying).await?;
    for device in moving {
        let path = format!("/v1/devices/{}/assignments", device.key);
        let assignments = client.find(&path).await?.and_then(|found| Some(found["items"].as_array()?.len()));
        if assignments.is_none() {
            put_devices(client, roster, &[device]).await?;
        }
        if let (None | Some(..=1), Some((at, to))) = (assignments, device.moved) {
            let mut body = owner_body(roster, to);
            body["at"] = at.to_rfc3339_opts(SecondsFormat::Secs, true).into();
            client.post(&format!("/v1/devices/{}/moves", device.key), &body).await?;
        }
    }
    Ok(())
}

async fn put_devices(client: &Client, roster: &Roster, devices: &[&Device]) -> Result<(), SimulationError> {
    for part in devices.chunks(DEVICES_AT_ONCE) {
        let bodies = part.iter().map(|device| {
            let mut body = owner_body(roster, device.owner);
            body["key"] = device.key.as_str().into();
            body["name"] = device.name.as_str().into();
            body["kind"] = device.model.kind.into();
            body
        });
        let answer = client.post("/v1/devices", &bodies.collect()).await?;
        let results = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
        let refused: Vec<_> = results.iter().filter(|result| result["status"] == "rejected").collect();
        if let Some(first) = refused.first() {
            return Err(SimulationError::Devices { count: refused.len(), first: first.to_string() });
        }
    }
    Ok(())
}

fn owner_body(roster: &Roster, owner: Owner) -> Value {
    let group = owner.group.map(|group| roster.groups[group].key.as_str());
    without_nulls(json!({"customer": roster.catalog.customers[owner.customer].key, "group": group}))
}

/// What is not said is left out.
fn without_nulls(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    body
}
