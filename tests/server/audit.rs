//! Who changed what: an entry for each change, in its transaction, that nobody can change.

use meterbase::keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use crate::binary::text;
use crate::fixtures::send_csv;
use crate::harness::TestApp;

/// The whole audit as a caller sees it with these parameters, oldest first.
async fn entries(app: &TestApp, key: &str, query: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(key, &format!("/v1/audit?limit=3&{query}{cursor}")).await.expect_status(200).json();
        found.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    found.reverse();
    found
}

/// `action entity` of entries.
fn told(entries: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    entries.iter().map(|entry| [text(&entry["action"]), text(&entry["entity"])].join(" ")).collect()
}

/// Id of an API key, by its text.
async fn id_of(app: &TestApp, key: &str) -> String {
    let lookup = key.split('_').nth(1).unwrap();
    let id = sqlx::query_scalar("SELECT uuid::text FROM api_key WHERE lookup = $1").bind(lookup);
    id.fetch_one(&mut app.db().await).await.unwrap()
}

async fn registry(app: &TestApp, key: &str) {
    let named = |name: &str| json!({"name": name});
    app.put(key, "/v1/customers/acme", named("Acme")).await.expect_status(201);
    app.put(key, "/v1/customers/acme", named("Acme Ltd")).await.expect_status(200);
    let zone = json!({"time_zone": "Europe/Paris", "from": "2026-01-01"});
    app.post(key, "/v1/customers/acme/time-zone", zone).await.expect_status(200);
    app.put(key, "/v1/customers/gone", named("Gone")).await.expect_status(201);
    app.delete(key, "/v1/customers/gone").await.expect_status(204);
    let body = |kind: &str| json!({"name": "Roof", "customer": "acme", "kind": kind});
    app.put(key, "/v1/groups/roof", body("site")).await.expect_status(201);
    app.put(key, "/v1/groups/roof", body("field")).await.expect_status(200);
    app.put(key, "/v1/groups/cellar", body("site")).await.expect_status(201);
    app.delete(key, "/v1/groups/cellar").await.expect_status(204);
    app.put(key, "/v1/devices/m1", json!({"customer": "acme"})).await.expect_status(201);
    app.put(key, "/v1/devices/m1", json!({"customer": "acme", "group": "roof", "name": "Main"}))
        .await
        .expect_status(200);
    let devices = json!([{"key": "m1", "customer": "acme", "group": "roof", "name": "First"}, {"key": "m2", "customer": "acme"},
        {"key": "m3", "customer": "nobody"}]);
    app.post(key, "/v1/devices", devices).await.expect_status(200);
    app.post(key, "/v1/devices/m1/moves", json!({"customer": "acme", "at": "2026-02-01T00:00:00Z"}))
        .await
        .expect_status(200);
    app.delete(key, "/v1/devices/m2").await.expect_status(204);
    app.put(key, "/v1/devices/m2", json!({"customer": "acme"})).await.expect_status(200);
    let metric = json!({"name": "Water", "unit": "m3", "kind": "register", "scale": 0});
    app.put(key, "/v1/metrics/water", metric).await.expect_status(201);
    let metric = json!({"name": "Water", "unit": "m3", "kind": "register", "scale": 0, "max_per_hour": 5});
    app.put(key, "/v1/metrics/water", metric).await.expect_status(200);
}

const REGISTRY: [&str; 19] = [
    "customer.create acme",
    "customer.update acme",
    "customer.time_zone acme",
    "customer.create gone",
    "customer.delete gone",
    "group.create roof",
    "group.update roof",
    "group.create cellar",
    "group.delete cellar",
    "device.create m1",
    "device.move m1",
    "device.update m1",
    "device.create m2",
    "device.update m1",
    "device.move m1",
    "device.retire m2",
    "device.move m2",
    "device.update m2",
    "metric.create water",
];

pub async fn every_change_of_the_registry_has_an_entry(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let me = id_of(&app, &key).await;
    registry(&app, &key).await;
    let found = entries(&app, &key, "").await;
    assert_eq!(told(&found[..2])[0], "provider.create north");
    assert_eq!(found[0]["by"]["key_id"], id_of(&app, &app.admin).await);
    // The key itself was made by a command on the database.
    assert_eq!(found[1]["action"], "key.create");
    assert_eq!(found[1]["by"], json!({"kind": "command_line", "key_id": null, "key_name": null, "address": null}));
    let changes = &found[2..];
    assert_eq!(told(changes), [&REGISTRY[..], &["metric.update water"]].concat());
    for entry in changes {
        assert_eq!(entry["by"], json!({"kind": "key", "key_id": me, "key_name": null, "address": "127.0.0.1"}));
        assert_eq!(entry["provider"], "north");
        let action = entry["action"].as_str().unwrap();
        assert_eq!(entry["before"].is_null(), action.ends_with(".create"), "{entry}");
        assert_eq!(entry["after"].is_null(), action.ends_with(".delete"), "{entry}");
    }
    // As it was and as it is; what another entry tells of the same entity goes on from there.
    let field = |at: usize, side: &str, field: &str| changes[at][side][field].clone();
    assert_eq!(
        [field(0, "after", "name"), field(1, "before", "name"), field(1, "after", "name")],
        ["Acme", "Acme", "Acme Ltd"]
    );
    assert_eq!(changes[2]["after"]["own"], json!([{"from": "2026-01-01", "time_zone": "Europe/Paris"}]));
    assert_eq!([field(6, "before", "kind"), field(6, "after", "kind")], ["site", "field"]);
    assert_eq!([field(11, "before", "name"), field(11, "after", "name")], [json!(null), json!("Main")]);
    assert_eq!([field(13, "before", "name"), field(13, "after", "name")], ["Main", "First"]);
    // Dated back to before it was in a group, it was never in one.
    assert_eq!(changes[14]["before"][1]["group"], "roof");
    assert_eq!(changes[14]["after"], json!([{"customer": "acme", "group": null, "from": null, "to": null}]));
    assert!(field(15, "before", "retired_at").is_null() && field(15, "after", "retired_at").is_string());
    assert!(field(17, "before", "retired_at").is_string() && field(17, "after", "retired_at").is_null());
    assert_eq!([field(19, "before", "max_per_hour"), field(19, "after", "max_per_hour")], [json!(null), json!("5")]);
    assert_eq!(app.get(&key, "/v1/metrics/water").await.json(), changes[19]["after"]);
}

pub async fn what_changes_nothing_has_no_entry(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    registry(&app, &key).await;
    let before = entries(&app, &app.admin, "").await;
    app.put(&app.admin, "/v1/providers/north", json!({"name": "north", "time_zone": "UTC"})).await.expect_status(200);
    app.put(&key, "/v1/groups/roof", json!({"name": "Roof", "customer": "acme", "kind": "field"}))
        .await
        .expect_status(200);
    app.post(&key, "/v1/devices", json!([{"key": "m2", "customer": "acme"}])).await.expect_status(200);
    app.post(&key, "/v1/devices/m2/moves", json!({"customer": "acme"})).await.expect_status(200);
    let metric = json!({"name": "Water", "unit": "m3", "kind": "register", "scale": 0, "max_per_hour": 5});
    app.put(&key, "/v1/metrics/water", metric).await.expect_status(200);
    app.call(&key, Method::POST, "/v1/quarantine/replay", None).await.expect_status(200);
    app.delete(&key, "/v1/quarantine").await.expect_status(200);
    // What fails is undone, and its entry with it.
    app.put(&key, "/v1/customers/acme", json!({"name": "A", "parent": "acme"})).await.expect_status(409);
    app.delete(&key, "/v1/customers/acme").await.expect_status(409);
    assert_eq!(entries(&app, &app.admin, "").await, before);
}

pub async fn decisions_about_readings_have_entries(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    registry(&app, &key).await;
    let ingest = app.key("north", Scope::Ingest).await;
    let rows =
        "m1,water,2026-03-01T00:00:00Z,1\nm1,water,2026-03-01T01:00:00Z,900\nnobody,water,2026-03-01T00:00:00Z,1\n";
    send_csv(&app, &ingest, &format!("device,metric,at,value\n{rows}")).await;
    let review = app.get(&key, "/v1/reviews").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let decide = async |what: &str| {
        app.call(&key, Method::POST, &format!("/v1/reviews/{review}/{what}"), None).await.expect_status(200);
    };
    decide("accept").await;
    decide("dismiss").await;
    let body = json!({"metric": "water", "final": 3, "initial": 0, "at": "2026-03-02T00:00:00Z"});
    let made = app.post(&key, "/v1/devices/m1/replacements", body).await.expect_status(201).json();
    let path = format!("/v1/devices/m1/replacements/{}", made["replacement"]["id"].as_str().unwrap());
    app.delete(&key, &path).await.expect_status(204);
    app.call(&key, Method::POST, "/v1/quarantine/replay?device=nobody", None).await.expect_status(200);
    app.delete(&key, "/v1/quarantine?metric=water").await.expect_status(200);
    let found = entries(&app, &key, "").await;
    let last = &found[found.len() - 6..];
    let expected = [
        &format!("review.accept {review}"),
        &format!("review.dismiss {review}"),
        "device.replacement m1",
        "device.replacement m1",
        "quarantine.replay quarantine",
        "quarantine.delete quarantine",
    ];
    assert_eq!(told(last), expected);
    let states = [&last[0]["before"], &last[0]["after"], &last[1]["after"]].map(|review| review["state"].clone());
    assert_eq!(states, ["open", "accepted", "dismissed"]);
    assert_eq!([&last[2]["before"], &last[3]["after"]], [&json!(null), &json!(null)]);
    assert_eq!([&last[2]["after"]["final"], &last[3]["before"]["final"]], ["3", "3"]);
    let none = json!({"stored": 0, "duplicates": 0, "conflicts": 0, "quarantined": 1, "rejected": 0});
    assert_eq!([&last[4]["before"], &last[4]["after"]], [&json!({"device": "nobody"}), &none]);
    assert_eq!(last[5]["before"], json!({"metric": "water", "readings": 1}));
}

pub async fn the_audit_is_filtered_and_shown_to_whom_it_concerns(app: TestApp) {
    let (north, south) = (app.provider("north", "UTC").await, app.provider("south", "UTC").await);
    for (key, customer) in [(&north, "acme"), (&south, "acme"), (&north, "bolt")] {
        app.put(key, &format!("/v1/customers/{customer}"), json!({"name": "N"})).await.expect_status(201);
    }
    app.put(&app.admin, "/v1/customers/bolt?provider=north", json!({"name": "M"})).await.expect_status(200);
    let north_only = ["provider.create north", "customer.create acme", "customer.create bolt", "customer.update bolt"];
    let without_keys = async |key: &str, query: &str| {
        let found = entries(&app, key, query).await;
        told(&found).into_iter().filter(|entry| !entry.starts_with("key.")).collect::<Vec<_>>()
    };
    assert_eq!(without_keys(&north, "").await, north_only);
    assert_eq!(without_keys(&app.admin, "provider=north").await, north_only);
    assert_eq!(without_keys(&south, "").await, ["provider.create south", "customer.create acme"]);
    assert_eq!(without_keys(&app.admin, "").await.len(), 6);
    // The admin's own key concerns no provider.
    assert_eq!(entries(&app, &app.admin, "action=key.create").await.len(), 3);
    assert_eq!(without_keys(&app.admin, "entity=acme").await, ["customer.create acme"; 2]);
    assert_eq!(without_keys(&north, "entity=bolt&action=customer.update").await, ["customer.update bolt"]);
    let key = id_of(&app, &app.admin).await;
    assert_eq!(without_keys(&north, &format!("key={key}")).await, [north_only[0], north_only[3]]);
    assert_eq!(without_keys(&north, &format!("key={}", id_of(&app, &south).await)).await, Vec::<String>::new());
    let found = entries(&app, &north, "").await;
    let at = found[2]["at"].as_str().unwrap();
    assert_eq!(entries(&app, &north, &format!("from={at}")).await, found[2..]);
    assert_eq!(entries(&app, &north, &format!("to={at}")).await, found[..2]);
    assert_eq!(entries(&app, &north, "from=2026-11-01&to=2026-11-01").await, Vec::<Value>::new());

    for scope in [Scope::Read, Scope::Ingest] {
        app.get(&app.key("north", scope).await, "/v1/audit").await.expect_status(403);
    }
    app.get(&north, "/v1/audit?provider=south").await.expect_status(404);
    app.get(&app.admin, "/v1/audit?provider=west").await.expect_status(404);
    for wrong in ["action=customer.eat", "key=mine", "from=yesterday", "cursor=6e6f", "from=2026-02-01&to=2026-01-01"] {
        app.get(&north, &format!("/v1/audit?{wrong}")).await.expect_status(400);
    }
}

pub async fn entries_stay_as_they_were_written(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let before = entries(&app, &key, "").await;
    for wrong in ["UPDATE audit SET action = 'none'", "DELETE FROM audit", "TRUNCATE audit"] {
        let error = sqlx::query(wrong).execute(&mut app.db().await).await.expect_err("a refusal");
        let database = error.as_database_error().expect("an error of the database");
        assert_eq!(database.constraint(), Some("audit_append_only"), "{wrong}");
    }
    assert_eq!(entries(&app, &key, "").await, before);
}

pub async fn commands_have_entries_too(app: TestApp) {
    app.provider("north", "UTC").await;
    let command = |arguments: &[&str]| {
        let output = crate::verify::command(&app, arguments).output().expect("the binary");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let made = command(&["keys", "create", "--scope", "ingest", "--provider", "north", "--name", "gate"]);
    let id = id_of(&app, &made).await;
    command(&["keys", "limit", &id, "--rate", "5"]);
    command(&["keys", "revoke", &id]);
    command(&["keys", "revoke", &id]);
    let name = format!("audit_{}", app.edition.to_string().to_lowercase());
    let url = command(&["sql-roles", "create", "--provider", "north", "--name", &name, "--leave-open"]);
    let role = url.strip_prefix("postgresql://").and_then(|rest| rest.split(':').next()).unwrap();
    command(&["sql-roles", "drop", role]);
    let found = entries(&app, &app.admin, "provider=north").await;
    let last = &found[found.len() - 5..];
    let expected = ["key.create", "key.update", "key.revoke"].map(|action| format!("{action} {id}"));
    assert_eq!(told(last)[..3], expected);
    assert_eq!(told(last)[3..], [format!("sql_role.create {role}"), format!("sql_role.drop {role}")]);
    for entry in last {
        assert_eq!([&entry["by"]["kind"], &entry["by"]["address"]], [&json!("command_line"), &json!(null)]);
        // No secret, no hash of one.
        let secret = made.split('_').nth(2).unwrap();
        assert!(!entry.to_string().contains(secret) && !entry.to_string().contains("hash"), "{entry}");
    }
    let shown = [&last[0]["after"], &last[1]["after"], &last[2]["after"]];
    assert_eq!(shown.map(|key| key["rate"].clone()), [json!(null), json!(5), json!(5)]);
    assert_eq!(shown.map(|key| key["revoked_at"].is_string()), [false, false, true]);
    assert_eq!(last[3]["after"]["provider"], "north");
    assert_eq!(last[4]["before"], last[3]["after"]);
}
