//! A walk over every operation of the OpenAPI document with what is somebody else's: the answer is that to what does not exist.

mod calls;

use std::collections::BTreeMap;

use meterbase::keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixtures::send_csv;
use crate::harness::TestApp;
use crate::walk::calls::{CALLS, Call, RANGE};

const DOCUMENT: &str = include_str!("../../../openapi/openapi.json");

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
        (
            "alert",
            "alerts",
            json!({"name": "N", "kind": "threshold", "bucket": "day", "stat": "sum", "above": 1, "metric": own("metric"),
                "scope": format!("customer:{}", own("customer"))}),
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
    let path = format!("/v1/webhooks/{}", own("webhook"));
    let body = json!({"url": "https://example.com", "events": ["alert.firing"]});
    let made = app.put(key, &path, body).await.expect_status(201).json();
    names.insert("webhook", [own("webhook"), made["id"].as_str().unwrap().to_owned()]);
    let made = app.post(key, &format!("{path}/test"), json!({})).await.expect_status(202).json();
    names.insert("delivery", twice(&made["id"]));
    names
}

/// What does not exist.
fn nothing() -> Names {
    let kinds = "customer group device metric review replacement apikey portal profile enrolling enrollment webhook delivery alert \
                 provider";
    kinds.split_whitespace().map(|kind| (kind, [format!("absent-{kind}"), uuid::Uuid::now_v7().to_string()])).collect()
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
    for kind in ["metric", "register", "profile", "webhook", "delivery"] {
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
