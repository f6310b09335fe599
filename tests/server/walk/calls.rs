//! How each operation is called.

/// How an operation is called. In braces stands what is named there: `{device}` is tried with the key and the id of somebody
/// else's device, `{device!}` with the id alone, for a key could be one of the caller's own. `{own-device}` is the caller's own.
pub struct Call {
    pub operation: &'static str,
    pub query: &'static str,
    pub body: Option<&'static str>,
}

const fn call(operation: &'static str, query: &'static str) -> Call {
    Call { operation, query, body: None }
}

const fn with(operation: &'static str, body: &'static str) -> Call {
    Call { operation, query: "", body: Some(body) }
}

pub const RANGE: &str = "metric={own-metric}&bucket=total&from=2026-01-01&to=2026-06-01";

const PROFILE: &str = r#"{"name": "N", "format": "json", "fields": [{"from": "/v", "metric": "{own-metric}"}]}"#;

macro_rules! threshold {
    ($metric:literal, $scope:literal) => {
        concat!(
            r#"{"name": "N", "kind": "threshold", "bucket": "day", "stat": "sum", "above": 1, "metric": ""#,
            $metric,
            r#"", "scope": ""#,
            $scope,
            r#""}"#
        )
    };
}

const THRESHOLD: &str = threshold!("{own-metric}", "provider");

/// Every place of every operation where something can be named. `{key}` of a path is what its resource is of.
pub const CALLS: &[Call] = &[
    call("get /v1/accounting", ""),
    call("get /v1/accounting", "key={apikey!}"),
    call("get /v1/accounting/minutes", ""),
    call("get /v1/alerts", ""),
    call("get /v1/alerts/{alert}", ""),
    with("put /v1/alerts/{alert!}", THRESHOLD),
    with("put /v1/alerts/new", threshold!("{own-metric}", "customer:{customer}")),
    with("put /v1/alerts/new", threshold!("{own-metric}", "group:{group}")),
    with("put /v1/alerts/new", threshold!("{own-metric}", "device:{device}")),
    with("put /v1/alerts/new", threshold!("{metric}", "provider")),
    call("delete /v1/alerts/{alert}", ""),
    call("get /v1/alerts/{alert}/history", ""),
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
    with("post /v1/device/certificate", r#"{"csr": "none"}"#),
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
    call("get /v1/events", "after=0&follow=false"),
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
    call("get /v1/webhooks", ""),
    call("get /v1/webhooks/{webhook}", ""),
    with("put /v1/webhooks/{webhook!}", r#"{"url": "https://example.com", "events": ["alert.firing"]}"#),
    call("delete /v1/webhooks/{webhook}", ""),
    call("post /v1/webhooks/{webhook}/secret", ""),
    call("post /v1/webhooks/{webhook}/test", ""),
    call("get /v1/webhooks/{webhook}/deliveries", ""),
    call("post /v1/webhooks/{webhook}/deliveries/{delivery!}/resend", ""),
    call("post /v1/webhooks/{own-webhook}/deliveries/{delivery!}/resend", ""),
];
