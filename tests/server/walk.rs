//! A walk over every operation of the OpenAPI document with what is somebody else's: the answer is that to what does not exist.

use std::collections::BTreeMap;

use meterbase::keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixtures::send_csv;
use crate::harness::TestApp;

const DOCUMENT: &str = include_str!("../../openapi/openapi.json");

/// How an operation is called. In braces stands what is named there: `{device}` is tried with the key and the id of somebody
/// else's device, `{device!}` with the id alone, for a key could be one of the caller's own. `{own-device}` is the caller's own.
struct Call {
    operation: &'static str,
    query: &'static str,
    body: Option<&'static str>,
}

const fn call(operation: &'static str, query: &'static str) -> Call {
    Call { operation, query, body: None }
}

const fn with(operation: &'static str, body: &'static str) -> Call {
    Call { operation, query: "", body: Some(body) }
}

const RANGE: &str = "metric={own-metric}&bucket=total&from=2026-01-01&to=2026-06-01";

const PROFILE: &str = r#"{"name": "N", "format": "json", "fields": [{"from": "/v", "metric": "{own-metric}"}]}"#;

/// Every place of every operation where something can be named. `{key}` of a path is what its resource is of.
const CALLS: &[Call] = &[
    call("get /v1/accounting", ""),
    call("get /v1/accounting", "key={apikey!}"),
    call("get /v1/audit", ""),
    call("get /v1/audit", "key={apikey!}"),
    call("get /v1/audit", "entity={customer}"),
    call("get /v1/customers", ""),
    call("get /v1/customers", "parent={customer}"),
    call("get /v1/customers", "q={customer}"),
    call("get /v1/customers/{customer}", ""),
    with("put /v1/customers/{customer!}", r#"{"name": "N"}"#),
    with("put /v1/customers/{own-customer}", r#"{"name": "N", "parent": "{customer}"}"#),
    call("delete /v1/customers/{customer}", ""),
    call("get /v1/customers/{customer}/time-zone", ""),
    with("post /v1/customers/{customer}/time-zone", r#"{"time_zone": "Asia/Tokyo", "from": "2026-01-01"}"#),
    call("get /v1/customers/{customer}/tree", ""),
    call("get /v1/device/config", "device={device}"),
    Call { operation: "post /v1/device/config/ack", query: "device={device}", body: Some(r#"{"version": 1}"#) },
    Call {
        operation: "post /v1/device/config/ack",
        query: "device={own-device}",
        body: Some(r#"{"version": 1, "profile": "{profile}"}"#),
    },
    Call { operation: "post /v1/device/payload", query: "device={device}", body: Some(r#"{"value": 1}"#) },
    call("get /v1/devices", ""),
    call("get /v1/devices", "customer={customer}"),
    call("get /v1/devices", "group={group}"),
    call("get /v1/devices", "q={device}"),
    with("post /v1/devices", r#"[{"key": "new", "customer": "{customer}"}]"#),
    with("post /v1/devices", r#"[{"key": "new", "customer": "{own-customer}", "group": "{group}"}]"#),
    with("post /v1/devices", r#"[{"key": "new", "customer": "{own-customer}", "profile": "{profile}"}]"#),
    call("get /v1/devices/{device}", ""),
    with("put /v1/devices/{device!}", r#"{"customer": "{own-customer}"}"#),
    with("put /v1/devices/{own-device}", r#"{"customer": "{customer}"}"#),
    with("put /v1/devices/{own-device}", r#"{"customer": "{own-customer}", "group": "{group}"}"#),
    with("put /v1/devices/{own-device}", r#"{"customer": "{own-customer}", "profile": "{profile}"}"#),
    call("delete /v1/devices/{device}", ""),
    call("get /v1/devices/{device}/assignments", ""),
    with("post /v1/devices/{device}/moves", r#"{"customer": "{own-customer}"}"#),
    with("post /v1/devices/{own-device}/moves", r#"{"customer": "{customer}"}"#),
    with("post /v1/devices/{own-device}/moves", r#"{"customer": "{own-customer}", "group": "{group}"}"#),
    call("get /v1/devices/{device}/config", ""),
    call("get /v1/devices/{device}/readings", ""),
    call("get /v1/devices/{own-device}/readings", "metric={metric}"),
    call("get /v1/devices/{device}/replacements", ""),
    with("post /v1/devices/{device}/replacements", r#"{"metric": "{own-register}", "final": 1, "initial": 0}"#),
    with("post /v1/devices/{own-device}/replacements", r#"{"metric": "{metric}", "final": 1, "initial": 0}"#),
    call("delete /v1/devices/{device}/replacements/{replacement!}", ""),
    call("delete /v1/devices/{own-device}/replacements/{replacement!}", ""),
    call("get /v1/enroll", ""),
    with("post /v1/enroll", r#"{"token": "none", "serial": "{device}"}"#),
    call("get /v1/enrollment-tokens", ""),
    with("post /v1/enrollment-tokens", r#"{"customer": "{customer}", "expires_at": "2099-01-01T00:00:00Z"}"#),
    with(
        "post /v1/enrollment-tokens",
        r#"{"customer": "{own-customer}", "group": "{group}", "expires_at": "2099-01-01T00:00:00Z"}"#,
    ),
    call("get /v1/enrollment-tokens/{enrolling!}", ""),
    call("delete /v1/enrollment-tokens/{enrolling!}", ""),
    call("get /v1/enrollments", ""),
    call("get /v1/enrollments/{enrollment!}", ""),
    call("delete /v1/enrollments/{enrollment!}", ""),
    call("post /v1/enrollments/{enrollment!}/approve", ""),
    call("post /v1/enrollments/{enrollment!}/refuse", ""),
    call("get /v1/groups", ""),
    call("get /v1/groups", "customer={customer}"),
    call("get /v1/groups/{group}", ""),
    with("put /v1/groups/{group!}", r#"{"name": "N", "customer": "{own-customer}"}"#),
    with("put /v1/groups/{own-group}", r#"{"name": "N", "customer": "{customer}"}"#),
    call("delete /v1/groups/{group}", ""),
    call("get /v1/keys", ""),
    with("post /v1/keys", r#"{"scope": "read", "customer": "{customer}"}"#),
    with("post /v1/keys", r#"{"scope": "ingest", "group": "{group}"}"#),
    with("post /v1/keys", r#"{"scope": "ingest", "device": "{device}"}"#),
    call("get /v1/keys/{apikey!}", ""),
    with("put /v1/keys/{apikey!}", r#"{"name": "mine"}"#),
    call("delete /v1/keys/{apikey!}", ""),
    call("post /v1/keys/{apikey!}/rotate", ""),
    call("get /v1/metrics", ""),
    call("get /v1/metrics/{metric}", ""),
    with("put /v1/metrics/{metric!}", r#"{"name": "N", "unit": "", "kind": "delta"}"#),
    call("get /v1/portal-tokens", ""),
    with("post /v1/portal-tokens", r#"{"customer": "{customer}"}"#),
    call("delete /v1/portal-tokens/{portal!}", ""),
    call("get /v1/profiles", ""),
    call("get /v1/profiles/{profile}", ""),
    with("put /v1/profiles/{profile!}", PROFILE),
    with(
        "put /v1/profiles/new",
        r#"{"name": "N", "format": "json", "fields": [{"from": "/v", "metric": "{metric}"}]}"#,
    ),
    call("delete /v1/profiles/{profile}", ""),
    call("get /v1/providers", ""),
    call("get /v1/providers/{provider}", ""),
    with("put /v1/providers/{provider}", r#"{"name": "N"}"#),
    call("get /v1/quarantine", ""),
    call("get /v1/quarantine", "device={device}"),
    call("get /v1/quarantine", "metric={metric}"),
    call("delete /v1/quarantine", "device={device}"),
    call("delete /v1/quarantine", "metric={metric}"),
    call("post /v1/quarantine/replay", "device={device}"),
    call("post /v1/quarantine/replay", "metric={metric}"),
    with(
        "post /v1/readings",
        r#"[{"device": "{device}", "metric": "{own-metric}", "at": "2026-03-01T00:00:00Z", "value": 1}]"#,
    ),
    with(
        "post /v1/readings",
        r#"[{"device": "{own-device}", "metric": "{metric}", "at": "2026-03-01T00:00:00Z", "value": 1}]"#,
    ),
    call("get /v1/reviews", ""),
    call("get /v1/reviews", "device={device}"),
    call("get /v1/reviews", "metric={metric}"),
    call("get /v1/reviews/{review!}", ""),
    call("post /v1/reviews/{review!}/accept", ""),
    call("post /v1/reviews/{review!}/dismiss", ""),
    call("delete /v1/session", ""),
    call("get /v1/session", ""),
    call("post /v1/session", ""),
    call("get /v1/tree", ""),
    call("get /v1/usage", "{range}&scope=customer:{customer}"),
    call("get /v1/usage", "{range}&scope=group:{group}"),
    call("get /v1/usage", "{range}&scope=device:{device}"),
    call("get /v1/usage", "{range}&by=customer"),
    call("get /v1/usage", "{range}&by=group"),
    call("get /v1/usage", "{range}&by=device"),
    call("get /v1/usage", "bucket=total&from=2026-01-01&to=2026-06-01&metric={metric}"),
];

/// Names by kind: key and id, or the id twice where there is no key.
type Names = BTreeMap<&'static str, [String; 2]>;

/// Customer, group, device, metrics, profile and enrollment of a provider, all by keys that begin with a mark, with a review, a replacement and
/// readings.
async fn fill(app: &TestApp, key: &str, mark: &str) -> Names {
    let own = |what: &str| format!("{mark}-{what}");
    let mut names = Names::new();
    let bodies = [
        ("customer", "customers", json!({"name": "N"})),
        ("group", "groups", json!({"name": "N", "customer": own("customer")})),
        ("device", "devices", json!({"customer": own("customer"), "group": own("group")})),
        ("metric", "metrics", json!({"name": "N", "unit": "", "kind": "delta"})),
        ("register", "metrics", json!({"name": "N", "unit": "", "kind": "register", "scale": 0, "max_per_hour": 5})),
        (
            "profile",
            "profiles",
            json!({"name": "N", "format": "json", "fields": [{"from": "/v", "metric": own("metric")}]}),
        ),
    ];
    for (what, list, body) in bodies {
        let made = app.put(key, &format!("/v1/{list}/{}", own(what)), body).await.expect_status(201).json();
        names.insert(what, [own(what), made["id"].as_str().unwrap().to_owned()]);
    }
    let row = |metric: &str, hour: u32, value: u32| {
        format!("{},{},2026-03-01T0{hour}:00:00Z,{value}\n", own("device"), own(metric))
    };
    let rows = [row("metric", 0, 7), row("register", 0, 1), row("register", 1, 900)].concat();
    send_csv(app, key, &format!("device,metric,at,value\n{rows}")).await;
    let twice = |id: &Value| [id.as_str().unwrap().to_owned(), id.as_str().unwrap().to_owned()];
    let review = app.get(key, &format!("/v1/reviews?device={}", own("device"))).await.expect_status(200).json();
    names.insert("review", twice(&review["items"][0]["id"]));
    let body = json!({"metric": own("register"), "final": 3, "initial": 0, "at": "2026-03-02T00:00:00Z"});
    let path = format!("/v1/devices/{}/replacements", own("device"));
    let made = app.post(key, &path, body).await.expect_status(201).json();
    names.insert("replacement", twice(&made["replacement"]["id"]));
    let made =
        app.post(key, "/v1/keys", json!({"scope": "ingest", "device": own("device")})).await.expect_status(201).json();
    names.insert("apikey", twice(&made["id"]));
    let body = json!({"customer": own("customer"), "expires_at": "2099-01-01T00:00:00Z"});
    let made = app.post(key, "/v1/enrollment-tokens", body).await.expect_status(201).json();
    names.insert("enrolling", twice(&made["id"]));
    let portal =
        app.post(key, "/v1/portal-tokens", json!({"customer": own("customer")})).await.expect_status(201).json();
    names.insert("portal", twice(&portal["id"]));
    let body = json!({"token": made["token"], "serial": own("serial")});
    app.post(key, "/v1/enroll", body).await.expect_status(202);
    let page = app.get(key, "/v1/enrollments?limit=1000").await.expect_status(200).json();
    let mine = page["items"].as_array().unwrap().iter().find(|one| one["device"] == own("serial")).unwrap();
    names.insert("enrollment", twice(&mine["id"]));
    names
}

/// What does not exist.
fn nothing() -> Names {
    let kinds = "customer group device metric review replacement apikey portal profile enrolling enrollment provider";
    kinds.split(' ').map(|kind| (kind, [format!("absent-{kind}"), uuid::Uuid::now_v7().to_string()])).collect()
}

/// The text with what is the caller's own put in.
fn owned(text: &str, own: &Names) -> String {
    let text = text.replace("{range}", RANGE);
    own.iter().fold(text, |text, (kind, [key, _])| text.replace(&format!("{{own-{kind}}}"), key))
}

/// What a call names of others, and whether by id alone.
fn named(text: &str) -> Option<(&str, bool)> {
    let name = text.split_once('{')?.1.split_once('}')?.0;
    // An object of JSON begins with a brace too.
    match name.strip_suffix('!') {
        Some(kind) => Some((kind, true)),
        None if name.contains('"') => named(&text[text.find('{')? + 1..]),
        None => Some((name, false)),
    }
}

struct Walk<'a> {
    app: &'a TestApp,
    caller: &'a str,
    own: &'a Names,
    foreign: &'a Names,
    absent: Names,
    tried: usize,
}

impl Walk<'_> {
    /// Tries a call with each name of what is somebody else's, beside the same call with what does not exist.
    async fn try_out(&mut self, call: &Call) {
        let (method, path) = call.operation.split_once(' ').unwrap();
        let method: Method = method.to_uppercase().parse().unwrap();
        let path = owned(path, self.own) + if call.query.is_empty() { "" } else { "?" } + &owned(call.query, self.own);
        let body = call.body.map(|body| owned(body, self.own));
        let all = [path.as_str(), body.as_deref().unwrap_or_default()].join("\n");
        self.tried += 1;
        let Some((kind, by_id)) = named(&all) else {
            // Nothing is named; nothing of others is shown either.
            let answer = self.app.call(self.caller, method, &path, None).await;
            for name in self.foreign.values().flatten() {
                assert!(!answer.text.contains(name), "{}: {name} is in {}", call.operation, answer.text);
            }
            return;
        };
        for at in usize::from(by_id)..2 {
            let [theirs, none] = [&self.foreign[kind][at], &self.absent[kind][at]];
            let told = [self.told(&method, &path, &body, theirs).await, self.told(&method, &path, &body, none).await];
            assert_eq!(told[0], told[1], "{} {} {:?}", call.operation, call.query, call.body);
        }
    }

    /// Status and text of an answer, without the name.
    async fn told(&self, method: &Method, path: &str, body: &Option<String>, name: &str) -> (u16, String) {
        let put = |text: &str| {
            let mut text = text.to_owned();
            while let Some((kind, by_id)) = named(&text) {
                let place = if by_id { format!("{{{kind}!}}") } else { format!("{{{kind}}}") };
                text = text.replace(&place, name);
            }
            text
        };
        let body = body.as_ref().map(|body| serde_json::from_str(&put(body)).expect("JSON"));
        let answer = self.app.call(self.caller, method.clone(), &put(path), body).await;
        (answer.status, answer.text.replace(name, "NAME"))
    }

    /// Names another provider as the one to act in.
    async fn try_provider(&mut self, call: &Call) {
        let (method, path) = call.operation.split_once(' ').unwrap();
        let method: Method = method.to_uppercase().parse().unwrap();
        let path = owned(path, self.own).replace(['{', '}', '!'], "");
        for at in 0..2 {
            let mut told = Vec::new();
            for names in [self.foreign, &self.absent] {
                let name = &names["provider"][at];
                let path = format!("{path}?provider={name}");
                let answer = self.app.call(self.caller, method.clone(), &path, None).await;
                assert!(answer.status >= 400, "{} {path}: {}", call.operation, answer.text);
                told.push((answer.status, answer.text.replace(name, "NAME")));
            }
            assert_eq!(told[0], told[1], "{} ?provider", call.operation);
        }
        self.tried += 1;
    }
}

/// Every operation of the document that needs a key, as `get /v1/customers/{}`.
fn documented() -> Vec<(String, bool)> {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(_, op)| op["tags"][0] != "Service") {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let of_provider = parameters.into_iter().any(|parameter| parameter["name"] == "provider");
            found.push((bare(&format!("{method} {path}")), of_provider));
        }
    }
    found
}

/// An operation without what its path names.
fn bare(operation: &str) -> String {
    let mut parts = operation.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |bare, part| bare + "{}" + part.split_once('}').map_or("", |(_, rest)| rest))
}

async fn walk(app: &TestApp, caller: &str, own: &Names, foreign: &Names) -> usize {
    // What a walk before sent is there under the names that it used.
    sqlx::query("DELETE FROM quarantine").execute(&mut app.db().await).await.unwrap();
    let mut walk = Walk { app, caller, own, foreign, absent: nothing(), tried: 0 };
    for (operation, of_provider) in documented() {
        let calls: Vec<_> = CALLS.iter().filter(|call| bare(call.operation) == operation).collect();
        assert!(!calls.is_empty(), "nobody knows how to call {operation}: say what can be named in it");
        for call in &calls {
            walk.try_out(call).await;
        }
        if of_provider {
            walk.try_provider(calls[0]).await;
        }
    }
    walk.tried
}

pub async fn what_is_another_provider_s_is_as_if_it_were_not(app: TestApp) {
    let (north, south) = (app.provider("north", "UTC").await, app.provider("foreign-south", "UTC").await);
    let own = fill(&app, &north, "own").await;
    let mut foreign = fill(&app, &south, "foreign").await;
    let provider = app.get(&south, "/v1/providers/foreign-south").await.expect_status(200).json();
    foreign.insert("provider", ["foreign-south".to_owned(), provider["id"].as_str().unwrap().to_owned()]);
    app.settle().await;
    let before = app.get(&south, "/v1/tree").await.expect_status(200).json();
    let mut tried = 0;
    for scope in [Scope::Provider, Scope::Read, Scope::Ingest] {
        tried += walk(&app, &app.key("north", scope).await, &own, &foreign).await;
    }
    println!("{tried} operations tried with another provider's entities ({})", app.edition);
    assert_eq!(app.get(&south, "/v1/tree").await.expect_status(200).json(), before);
}

pub async fn what_is_outside_of_a_key_s_part_is_as_if_it_were_not(app: TestApp) {
    let (north, south) = (app.provider("north", "UTC").await, app.provider("foreign-south", "UTC").await);
    let own = fill(&app, &north, "own").await;
    let mut foreign = fill(&app, &north, "foreign").await;
    // Metrics and profiles are the provider's, and seen by all its keys.
    let provider = app.get(&south, "/v1/providers/foreign-south").await.expect_status(200).json();
    foreign.insert("provider", ["foreign-south".to_owned(), provider["id"].as_str().unwrap().to_owned()]);
    let of_south = fill(&app, &south, "foreign-far").await;
    for kind in ["metric", "register", "profile"] {
        foreign.insert(kind, of_south[kind].clone());
    }
    app.settle().await;
    let before = app.get(&north, "/v1/tree").await.expect_status(200).json();
    let make = async |body: Value| {
        let made = app.post(&north, "/v1/keys", body).await.expect_status(201).json();
        made["key"].as_str().unwrap().to_owned()
    };
    let callers = [
        make(json!({"scope": "read", "customer": "own-customer"})).await,
        make(json!({"scope": "ingest", "customer": "own-customer"})).await,
        make(json!({"scope": "ingest", "group": "own-group"})).await,
        make(json!({"scope": "ingest", "device": "own-device"})).await,
    ];
    let token = app.post(&callers[0], "/v1/portal-tokens", json!({"customer": "own-customer"})).await;
    let token = token.expect_status(201).json()["token"].as_str().unwrap().to_owned();
    let mut tried = 0;
    for caller in callers.iter().chain([&token]) {
        tried += walk(&app, caller, &own, &foreign).await;
    }
    println!("{tried} operations tried with what is outside of a part ({})", app.edition);
    assert_eq!(app.get(&north, "/v1/tree").await.expect_status(200).json(), before);
}
