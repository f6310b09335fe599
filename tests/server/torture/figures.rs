//! What is told of what is stored: accounts and usage, beside a recomputation.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use serde_json::Value;

use super::load::{CUSTOMERS, METRICS, decimal};
use super::oracle::{Outcome, Request, Verdict};
use super::stored::Stored;
use super::world::World;
use crate::binary::{Patience, text};

/// Accounts add up, and hold all that was acknowledged and all that is stored.
pub async fn accounts(world: &World, provider: &str, requests: &[Request], stored: &Stored) -> Result<(), String> {
    let path = format!("/v1/accounting?limit=1000&provider={provider}");
    let answer = world.call(Method::GET, &path, None).await;
    let told = answer.json();
    let items = told["items"].as_array().ok_or_else(|| answer.text.clone())?;
    let sum = |of: &dyn Fn(&Value) -> Option<i64>| items.iter().map(of).sum::<Option<i64>>().ok_or("an account");
    let field = |name: &'static str| sum(&move |item: &Value| item[name].as_i64());
    let moved = |name: &'static str| sum(&move |item: &Value| item["quarantine"][name].as_i64());
    let verdicts = ["stored", "duplicates", "conflicts", "quarantined", "rejected"];
    let kinds = [Verdict::Stored, Verdict::Duplicate, Verdict::Conflict, Verdict::Quarantined, Verdict::Rejected];
    let mut received = 0;
    for (name, kind) in verdicts.into_iter().zip(kinds) {
        let acknowledged = requests.iter().map(|request| match &request.outcome {
            Outcome::Acknowledged(verdicts) => verdicts.iter().filter(|verdict| **verdict == kind).count() as i64,
            _ => 0,
        });
        let (counted, acknowledged) = (field(name)?, acknowledged.sum::<i64>());
        if counted < acknowledged {
            return Err(format!("{acknowledged} were answered {name}, and the account has {counted}"));
        }
        let all_answered = requests.iter().all(|request| matches!(request.outcome, Outcome::Acknowledged(_)));
        if all_answered && counted != acknowledged {
            return Err(format!("all were answered, {acknowledged} {name}, and the account has {counted}"));
        }
        received += counted;
    }
    if field("received")? != received {
        return Err(format!("the accounts do not add up: {told}"));
    }
    let (kept, replayed) = (moved("kept")?, moved("stored")?);
    let gone = replayed + moved("duplicates")? + moved("expired")? + moved("deleted")?;
    let waiting = stored.quarantine.values().map(Vec::len).sum::<usize>() as i64;
    if kept - gone != waiting {
        return Err(format!("{kept} went into quarantine and {gone} left it, and {waiting} are there"));
    }
    if field("stored")? + replayed != stored.rows.len() as i64 {
        return Err(format!("{} are stored, and the accounts say {told}", stored.rows.len()));
    }
    Ok(())
}

/// Metric, customer, day.
type Day = (String, String, String);

/// Usage of each customer by itself, by day, is the sum of its readings; the server's own proof finds nothing.
pub async fn usage(world: &World, provider: &str, stored: &Stored) -> Result<(), String> {
    let mut should: BTreeMap<Day, (i64, u64)> = BTreeMap::new();
    for row in stored.rows.values() {
        let key = (row.metric.clone(), row.customer.clone(), row.billing_day.to_string());
        let (sum, count) = should.entry(key).or_default();
        *sum += row.increment;
        *count += 1;
    }
    let should: BTreeMap<Day, (String, u64)> =
        should.into_iter().map(|(key, (sum, count))| (key, (decimal(sum), count))).collect();
    let (now, mut patience) = (Utc::now(), Patience::for_("fresh figures"));
    let mut told = BTreeMap::new();
    for (customer, _, _) in CUSTOMERS {
        loop {
            let answer = ask(world, provider, customer).await?;
            let fresh: DateTime<Utc> =
                answer["fresh_through"].as_str().and_then(|text| text.parse().ok()).ok_or("no fresh_through")?;
            if fresh >= now {
                read(&answer, customer, &mut told)?;
                break;
            }
            patience.poll().await;
        }
    }
    if told != should {
        let wrong = should.iter().find(|(key, figures)| told.get(*key) != Some(*figures));
        let more = told.keys().find(|key| !should.contains_key(*key));
        return Err(format!("usage differs: should be {wrong:?}, should not be {more:?}"));
    }
    Ok(())
}

/// Every customer's usage, as it is told.
pub async fn told(world: &World, provider: &str) -> Vec<Value> {
    let mut told = Vec::new();
    for (customer, _, _) in CUSTOMERS {
        let mut answer = ask(world, provider, customer).await.expect("usage");
        answer.as_object_mut().expect("an object").remove("fresh_through");
        told.push(answer);
    }
    told
}

async fn ask(world: &World, provider: &str, customer: &str) -> Result<Value, String> {
    let start = DateTime::from_timestamp_millis(world.start).expect("an instant");
    let (from, to) = ((start - TimeDelta::days(5)).date_naive(), (start + TimeDelta::days(5)).date_naive());
    let metrics = METRICS.map(|(metric, _)| metric).join(",");
    let path = format!(
        "/v1/usage?provider={provider}&scope=customer:{customer}&own=true&metric={metrics}&bucket=day\
         &from={from}&to={to}&stats=sum,count"
    );
    let answer = world.call(Method::GET, &path, None).await;
    if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text) }
}

fn read(answer: &Value, customer: &str, told: &mut BTreeMap<Day, (String, u64)>) -> Result<(), String> {
    for series in answer["series"].as_array().ok_or("no series")? {
        let metric = series["metric"].as_str().ok_or("no metric")?;
        for point in series["points"].as_array().ok_or("no points")? {
            let (period, sum) = (point["period"].as_str().ok_or("no period")?, point["sum"].as_str().ok_or("no sum")?);
            let count = point["count"].as_u64().ok_or("no count")?;
            let key = (metric.to_owned(), customer.to_owned(), period.to_owned());
            told.insert(key, (sum.to_owned(), count));
        }
    }
    Ok(())
}

/// `meterbase verify` on everything.
pub fn verify(world: &World) -> Result<(), String> {
    let output = world.command("verify").output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("verify: {}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr)))
}
