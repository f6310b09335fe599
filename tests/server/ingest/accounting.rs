//! Accounts of what was received: they add up to what was answered, and to what is in quarantine.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, TimeZone, Utc};
use meterbase::database;
use meterbase::ingest::minutes as by_minute;
use meterbase::keys::Scope;
use serde_json::{Value, json};

use crate::binary::LIMIT;
use crate::fixtures::{counts, north, send_csv, send_json};
use crate::harness::TestApp;
use crate::ingest::quarantine::{balance, replay_due};

/// What is counted of readings, in the order of [`Told`].
const VERDICTS: [&str; 6] = ["received", "stored", "duplicates", "conflicts", "quarantined", "rejected"];

/// Numbers drawn from a seed, by a multiplicative generator.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % end) as usize
    }
}

/// What should be told about a key: requests, received, the five verdicts, and what moved in and out of quarantine: kept,
/// stored, duplicates, expired, deleted.
type Told = [i64; 12];

/// One sender's traffic, and what must come of it. Senders have months of their own.
struct Sender {
    draw: Draw,
    month: u32,
    /// Minute and value, in thousandths, of the readings of the device that is there.
    stored: HashMap<usize, i64>,
    /// Minute and text of the readings of the device that is not there, in their order.
    waiting: Vec<(usize, &'static str)>,
    /// Of the metric that is never there.
    hopeless: HashSet<usize>,
    told: Told,
}

const VALUES: [(&str, i64); 4] = [("1", 1000), ("1.0", 1000), ("1.00", 1000), ("2", 2000)];

impl Sender {
    fn new(month: u32) -> Self {
        let draw = Draw(u64::from(month));
        Self { draw, month, stored: HashMap::new(), waiting: vec![], hopeless: HashSet::new(), told: [0; 12] }
    }

    /// A body, whose verdicts are noted.
    fn request(&mut self) -> String {
        let mut body = "device,metric,at,value\n".to_owned();
        self.told[0] += 1;
        for _ in 0..1 + self.draw.below(30) {
            let minute = self.draw.below(60);
            let (text, thousandths) = VALUES[self.draw.below(4)];
            let start = Utc.with_ymd_and_hms(2026, self.month, 5, 12, 0, 0).unwrap();
            let at = (start + TimeDelta::minutes(minute as i64)).to_rfc3339();
            self.told[1] += 1;
            match self.draw.below(10) {
                0 => {
                    body += &format!("m1,energy,{at},one\n");
                    self.told[6] += 1;
                }
                1 => {
                    body += &format!("m1,water,{at},1\n");
                    self.told[5] += 1;
                    self.told[7] += i64::from(self.hopeless.insert(minute));
                }
                2..=5 => {
                    body += &format!("m7,energy,{at},{text}\n");
                    self.told[5] += 1;
                    if !self.waiting.contains(&(minute, text)) {
                        self.waiting.push((minute, text));
                        self.told[7] += 1;
                    }
                }
                _ => {
                    body += &format!("m1,energy,{at},{text}\n");
                    let verdict = match self.stored.get(&minute) {
                        None => 2,
                        Some(there) if *there == thousandths => 3,
                        Some(_) => 4,
                    };
                    self.stored.entry(minute).or_insert(thousandths);
                    self.told[verdict] += 1;
                }
            }
        }
        body
    }

    /// The device is registered, what cannot be stored then is deleted, and the rest expires.
    fn cure(&mut self) {
        let mut stored: HashMap<usize, i64> = HashMap::new();
        for (minute, text) in &self.waiting {
            let thousandths = VALUES.iter().find(|(of, _)| of == text).map(|(_, value)| *value).unwrap();
            let how = match stored.get(minute) {
                None => 8,
                Some(there) if *there == thousandths => 9,
                Some(_) => 11,
            };
            stored.entry(*minute).or_insert(thousandths);
            self.told[how] += 1;
        }
        self.told[10] += self.hopeless.len() as i64;
    }
}

/// The accounts of a provider, summed over its days, by key.
async fn told(app: &TestApp, key: &str, path: &str) -> HashMap<String, Told> {
    let page = app.get(key, path).await.expect_status(200).json();
    let mut sums: HashMap<String, Told> = HashMap::new();
    for item in page["items"].as_array().unwrap() {
        let number = |of: &Value, name: &str| of[name].as_i64().unwrap_or_else(|| panic!("{name} in {item}"));
        let verdicts = ["requests", "received", "stored", "duplicates", "conflicts", "quarantined", "rejected"];
        let verdicts = verdicts.map(|name| number(item, name));
        let moved = ["kept", "stored", "duplicates", "expired", "deleted"];
        let moved = moved.map(|name| number(&item["quarantine"], name));
        // Each account adds up by itself.
        assert_eq!(verdicts[1], verdicts[2..].iter().sum::<i64>(), "{item}");
        let sum = sums.entry(item["key_id"].as_str().unwrap().to_owned()).or_default();
        sum.iter_mut().zip(verdicts.into_iter().chain(moved)).for_each(|(sum, more)| *sum += more);
    }
    sums
}

pub async fn accounts_of_any_traffic_add_up(app: TestApp) {
    north(&app).await;
    let (provider, mut db) = (app.key("north", Scope::Provider).await, app.db().await);
    let (mut senders, mut keys) = (Vec::new(), Vec::new());
    for month in 1..=3 {
        senders.push(Sender::new(month));
        keys.push(app.key("north", Scope::Ingest).await);
    }
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar(
        "SELECT uuid FROM (SELECT * FROM api_key ORDER BY key_id DESC LIMIT 3) AS k ORDER BY key_id",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    let send = async |sender: &mut Sender, key: &str| {
        for _ in 0..25 {
            let before = sender.told;
            let answer = send_csv(&app, key, &sender.request()).await;
            let expected: [u64; 6] = std::array::from_fn(|at| (sender.told[at + 1] - before[at + 1]).unsigned_abs());
            assert_eq!(counts(&answer), expected);
        }
    };
    let [one, two, three] = &mut senders[..] else { unreachable!("three senders") };
    tokio::join!(send(one, &keys[0]), send(two, &keys[1]), send(three, &keys[2]));
    let expected = |senders: &[Sender]| -> HashMap<String, Told> {
        ids.iter().zip(senders).map(|(id, sender)| (id.to_string(), sender.told)).collect()
    };
    assert_eq!(told(&app, &provider, "/v1/accounting").await, expected(&senders));

    app.put(&provider, "/v1/devices/m7", json!({"customer": "acme"})).await.expect_status(201);
    assert!(replay_due(&app).await > 0);
    app.delete(&provider, "/v1/quarantine?code=value_differs").await.expect_status(200);
    sqlx::query("UPDATE quarantine SET recorded_at = recorded_at - interval '1 day'").execute(&mut db).await.unwrap();
    app.ingest.replayer().tidy(Duration::from_secs(60)).await.unwrap();
    senders.iter_mut().for_each(Sender::cure);
    assert_eq!(told(&app, &provider, "/v1/accounting").await, expected(&senders));
    let sum = |at: usize| senders.iter().map(|sender| sender.told[at]).sum::<i64>();
    assert!((0..12).all(|at| sum(at) > 0), "{:?}", std::array::from_fn::<_, 12, _>(sum));
    assert_eq!(balance(&mut db).await, [sum(7), sum(8), sum(9), sum(10), sum(11), 0]);
    // So do the minutes, of all keys together.
    let minutes = app.get(&provider, "/v1/accounting/minutes?minutes=360").await.expect_status(200).json();
    for (at, of) in VERDICTS.iter().enumerate() {
        let told = minutes["items"].as_array().unwrap().iter().map(|minute| minute[of].as_i64().unwrap());
        assert_eq!(told.sum::<i64>(), sum(at + 1), "{of}");
    }
    // The view says the same.
    let viewed: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "SELECT key_id::text, sum(received)::bigint, sum(replayed_stored)::bigint, sum(requests)::bigint
         FROM accounting_daily WHERE provider = 'north' GROUP BY key_id",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    let viewed: BTreeSet<_> = viewed.into_iter().collect();
    let of = |(id, sender): (&uuid::Uuid, &Sender)| (id.to_string(), sender.told[1], sender.told[8], sender.told[0]);
    assert_eq!(viewed, ids.iter().zip(&senders).map(of).collect());
}

pub async fn accounts_are_listed_by_day_and_key(app: TestApp) {
    let key = north(&app).await;
    let (provider, south) = (app.key("north", Scope::Provider).await, app.provider("south", "UTC").await);
    let mut db = app.db().await;
    let one = json!([{"device": "m1", "metric": "energy", "at": "2026-03-01T00:00:00Z", "value": 1}]);
    send_json(&app, &key, &one).await;
    send_json(&app, &provider, &one).await;
    // As if the first key had sent on two days before, over two connections on one of them.
    let earlier = "INSERT INTO accounting
        SELECT d.day, provider_id, key_id, d.slot, 5, 1, 1, 1, 1, 1, 1
        FROM accounting, (VALUES (date '2026-03-01', 1), ('2026-03-02', 1), ('2026-03-02', 2)) AS d (day, slot)
        WHERE stored = 1";
    sqlx::query(earlier).execute(&mut db).await.unwrap();
    let days = async |parameters: &str| -> Vec<(NaiveDate, i64)> {
        let page = app.get(&provider, &format!("/v1/accounting?{parameters}")).await.expect_status(200).json();
        let day = |item: &Value| (item["day"].as_str().unwrap().parse().unwrap(), item["received"].as_i64().unwrap());
        page["items"].as_array().unwrap().iter().map(day).collect()
    };
    let day = |day| NaiveDate::from_ymd_opt(2026, 3, day).unwrap();
    let all = days("").await;
    assert_eq!((all.len(), &all[..2]), (4, &[(day(1), 5), (day(2), 10)][..]));
    assert_eq!(all[2..].iter().map(|(_, received)| *received).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(days("from=2026-03-02&to=2026-03-03").await, [(day(2), 10)]);
    assert_eq!(days("to=2026-03-02").await, [(day(1), 5)]);
    // Of all keys together: today both have sent.
    let together = [all[0], all[1], (all[2].0, 2)];
    for (by, expected) in [("key", &all[..]), ("day", &together[..])] {
        assert_eq!(days(&format!("by={by}")).await, expected);
        let (mut walked, mut next) = (Vec::new(), Some(format!("by={by}&limit=1")));
        while let Some(parameters) = next {
            walked.extend(days(&parameters).await);
            let page = app.get(&provider, &format!("/v1/accounting?{parameters}")).await.json();
            next = page["next"].as_str().map(|cursor| format!("by={by}&limit=1&cursor={cursor}"));
        }
        assert_eq!(walked, expected);
    }
    let page = app.get(&provider, "/v1/accounting?by=day").await.json();
    assert!(page["items"].as_array().unwrap().iter().all(|item| item["key_id"] == Value::Null));
    let page = app.get(&provider, "/v1/accounting?limit=1").await.json();
    let id = page["items"][0]["key_id"].as_str().unwrap();
    assert_eq!(days(&format!("key={id}")).await.len(), 3);
    assert!(days(&format!("key={}", uuid::Uuid::now_v7())).await.is_empty());

    for wrong in [
        "from=soon",
        "from=2026-03-02&to=2026-03-01",
        "key=gateway",
        "cursor=zz",
        "from=2026-03-01T00:00:00Z",
        "by=hour",
    ] {
        app.get(&provider, &format!("/v1/accounting?{wrong}")).await.expect_status(400);
    }
    let nothing = app.get(&south, "/v1/accounting").await.expect_status(200).json();
    assert_eq!(nothing, json!({"items": [], "next": null}));
    let of_admin = app.get(&app.admin, "/v1/accounting?provider=north").await.expect_status(200).json();
    assert_eq!(of_admin["items"].as_array().unwrap().len(), 4);
    app.get(&key, "/v1/accounting").await.expect_status(403);
}

pub async fn minutes_are_those_of_the_accounts_and_go_after_some_hours(app: TestApp) {
    let key = north(&app).await;
    let (provider, south) = (app.key("north", Scope::Provider).await, app.provider("south", "UTC").await);
    let minutes = async |key: &str, number: u32| -> Vec<Value> {
        let told = app.get(key, &format!("/v1/accounting/minutes?minutes={number}")).await.expect_status(200).json();
        told["items"].as_array().expect("minutes").clone()
    };
    let sum =
        |minutes: &[Value]| VERDICTS.map(|of| minutes.iter().map(|m| m[of].as_i64().expect("a number")).sum::<i64>());
    let reading = |device: &str, minute: u32, value: &str| json!({"device": device, "metric": "energy", "at": format!("2026-03-01T00:{minute:02}:00Z"), "value": value});
    // New ones, again, another value, a device that is not known, and no number; and once more of a second key.
    let all = json!([
        reading("m1", 1, "1"),
        reading("m1", 2, "2"),
        reading("m1", 1, "1"),
        reading("m1", 2, "3"),
        reading("nobody", 1, "1"),
        reading("m1", 3, "x")
    ]);
    send_json(&app, &key, &all).await;
    assert_eq!(sum(&minutes(&provider, 3).await), [6, 2, 1, 1, 1, 1]);
    send_json(&app, &provider, &json!([reading("m1", 1, "1")])).await;
    let told = minutes(&provider, 60).await;
    assert_eq!((told.len(), sum(&told)), (60, [7, 2, 2, 1, 1, 1]));
    // Each minute is there, the one that is not over at the end.
    let begins: Vec<DateTime<Utc>> = told.iter().map(|m| m["minute"].as_str().unwrap().parse().unwrap()).collect();
    assert!(begins.windows(2).all(|two| two[1] - two[0] == TimeDelta::minutes(1)));
    let since = Utc::now() - begins[59];
    assert!((TimeDelta::zero()..TimeDelta::minutes(2)).contains(&since), "{since}");
    assert_eq!(sum(&minutes(&south, 60).await), [0; 6]);

    // Of the last six hours they are kept, and those before go.
    let mut db = app.db().await;
    let earlier = "INSERT INTO accounting_minute
        SELECT provider_id, minute - hours * interval '1 hour', 99, 5, 1, 1, 1, 1, 1
        FROM (SELECT provider_id, max(minute) AS minute FROM accounting_minute GROUP BY provider_id) AS last, unnest(ARRAY[5, 7]) AS hours";
    sqlx::query(earlier).execute(&mut db).await.unwrap();
    let pool = database::pool(&app.options, "tidying", 1, LIMIT);
    by_minute::KEPT.forget(&pool).await.expect("a tidy table");
    let kept: i64 =
        sqlx::query_scalar("SELECT sum(received)::bigint FROM accounting_minute").fetch_one(&mut db).await.unwrap();
    assert_eq!(kept, 12);
    assert_eq!(sum(&minutes(&provider, 360).await), [12, 3, 3, 2, 2, 2]);
    for wrong in ["minutes=0", "minutes=361", "minutes=ten", "limit=5"] {
        app.get(&provider, &format!("/v1/accounting/minutes?{wrong}")).await.expect_status(400);
    }
    app.get(&key, "/v1/accounting/minutes").await.expect_status(403);
}
