//! Devices: replacing, owners, service and retirement, lists.

use serde_json::json;

use crate::harness::TestApp;

pub async fn a_device_is_made_replaced_and_found(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.expect_status(201);
    app.put(&key, "/v1/groups/roof", json!({"name": "Roof", "customer": "acme"})).await.expect_status(201);
    let body = json!({"customer": "acme", "group": "roof", "kind": "gateway", "name": "Main"});
    let made = app.put(&key, "/v1/devices/m1", body.clone()).await.expect_status(201).json();
    assert_eq!(made["customer"], "acme");
    assert_eq!(made["group"], "roof");
    assert_eq!(made["kind"], "gateway");
    assert_eq!(made["retired_at"], json!(null));
    assert_eq!(app.put(&key, "/v1/devices/m1", body).await.expect_status(200).json(), made);

    let path = format!("/v1/devices/{}", made["id"].as_str().unwrap());
    let replaced = app.put(&key, &path, json!({"customer": "acme"})).await.expect_status(200).json();
    assert_eq!(replaced["kind"], "device");
    assert_eq!(replaced["name"], json!(null));
    assert_eq!(replaced["group"], json!(null));
    assert_ne!(replaced["updated_at"], made["updated_at"]);
    assert_eq!(app.get(&key, "/v1/devices/m1").await.expect_status(200).json(), replaced);

    let answer = app.get(&key, "/v1/devices/m1/assignments").await.expect_status(200).json();
    let items = answer["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!((&items[0]["group"], &items[0]["from"]), (&json!("roof"), &json!(null)));
    assert_eq!((&items[1]["group"], &items[1]["to"]), (&json!(null), &json!(null)));
    assert_eq!(items[0]["to"], items[1]["from"]);
}

pub async fn devices_are_listed_by_owner_kind_and_text(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    for customer in ["acme", "other"] {
        app.put(&key, &format!("/v1/customers/{customer}"), json!({"name": "N"})).await.expect_status(201);
    }
    app.put(&key, "/v1/customers/sub", json!({"name": "N", "parent": "acme"})).await.expect_status(201);
    app.put(&key, "/v1/groups/roof", json!({"name": "Roof", "customer": "acme"})).await.expect_status(201);
    for (device, body) in [
        ("m1", json!({"customer": "acme", "group": "roof"})),
        ("m2", json!({"customer": "acme", "kind": "gateway", "name": "Box 100%"})),
        ("m3", json!({"customer": "sub"})),
        ("m4", json!({"customer": "other", "name": "Box"})),
    ] {
        app.put(&key, &format!("/v1/devices/{device}"), body).await.expect_status(201);
    }
    // Its past owner does not count.
    app.put(&key, "/v1/devices/m4", json!({"customer": "sub", "name": "Box"})).await.expect_status(200);
    for (query, found) in [
        ("", &["m1", "m2", "m3", "m4"][..]),
        ("customer=acme", &["m1", "m2"]),
        ("customer=sub", &["m3", "m4"]),
        ("customer=other", &[]),
        ("group=roof", &["m1"]),
        ("kind=gateway", &["m2"]),
        ("customer=acme&kind=device", &["m1"]),
        ("q=box", &["m2", "m4"]),
        ("q=100%25", &["m2"]),
        ("q=M", &["m1", "m2", "m3", "m4"]),
    ] {
        assert_eq!(app.walk(&key, &format!("/v1/devices?{query}")).await, found, "{query}");
    }
    for query in ["customer=nobody", "group=nothing"] {
        app.get(&key, &format!("/v1/devices?{query}")).await.expect_status(404);
    }
}

pub async fn a_page_walk_over_many_devices_finds_each_once(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.expect_status(201);
    let keys: Vec<String> = (0..257).map(|i| format!("m-{:03}~{i}", i * 101 % 257)).collect();
    let items: Vec<_> = keys.iter().map(|key| json!({"key": key, "customer": "acme"})).collect();
    app.post(&key, "/v1/devices", json!(items)).await.expect_status(200);
    let mut sorted = keys;
    sorted.sort();
    for limit in [7, 100, 257, 1000] {
        assert_eq!(app.walk(&key, &format!("/v1/devices?customer=acme&limit={limit}")).await, sorted, "{limit}");
    }
    assert_eq!(app.walk(&key, "/v1/devices").await, sorted);
}

pub async fn a_group_must_be_one_of_the_customer(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    for customer in ["acme", "other"] {
        app.put(&key, &format!("/v1/customers/{customer}"), json!({"name": "N"})).await.expect_status(201);
    }
    app.put(&key, "/v1/groups/roof", json!({"name": "Roof", "customer": "acme"})).await.expect_status(201);
    let answer =
        app.put(&key, "/v1/devices/m1", json!({"customer": "other", "group": "roof"})).await.expect_status(409);
    assert_eq!(answer.problem(), "group_of_another_customer");
    for (body, pointer) in
        [(json!({"customer": "nobody"}), "/customer"), (json!({"customer": "acme", "group": "nothing"}), "/group")]
    {
        let answer = app.put(&key, "/v1/devices/m1", body).await.expect_status(404);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer);
    }
    app.get(&key, "/v1/devices/m1").await.expect_status(404);
    let unknown = "/v1/devices/018f0000-0000-7000-8000-000000000000";
    app.put(&key, unknown, json!({"customer": "acme"})).await.expect_status(404);
}

pub async fn many_devices_at_once_get_an_answer_each(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let acme = app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.json();
    app.put(&key, "/v1/customers/other", json!({"name": "Other"})).await.expect_status(201);
    app.put(&key, "/v1/groups/roof", json!({"name": "Roof", "customer": "acme"})).await.expect_status(201);
    for device in ["same", "named", "moved", "retired"] {
        app.put(&key, &format!("/v1/devices/{device}"), json!({"customer": "acme"})).await.expect_status(201);
    }
    app.delete(&key, "/v1/devices/retired").await.expect_status(204);
    let body = json!([
        {"key": "new", "customer": acme["id"], "group": "roof", "kind": "gateway", "name": "New"},
        {"key": "same", "customer": "acme", "kind": null},
        {"key": "named", "customer": "acme", "name": "Named"},
        {"key": "moved", "customer": "other"},
        {"key": "retired", "customer": "acme"},
        {"key": "new", "customer": "acme"},
        {"key": "lost", "customer": "nobody"},
        {"key": "astray", "customer": "other", "group": "roof"},
        {"key": "a b", "customer": "acme"},
        {"key": "coloured", "customer": "acme", "colour": "red"},
        {"customer": "acme"},
        {"key": "nameless", "customer": "acme", "name": ""},
        "a text",
        {"key": "last", "customer": "acme", "group": "nothing"},
    ]);
    let answer = app.post(&key, "/v1/devices", body.clone()).await.expect_status(200).json();
    let expected = [
        ("new", "created", None),
        ("same", "unchanged", None),
        ("named", "updated", None),
        ("moved", "updated", None),
        ("retired", "updated", None),
        ("new", "rejected", Some("duplicate_key")),
        ("lost", "rejected", Some("not_found")),
        ("astray", "rejected", Some("group_of_another_customer")),
        ("a b", "rejected", Some("invalid_value")),
        ("coloured", "rejected", Some("invalid_value")),
        ("", "rejected", Some("invalid_value")),
        ("nameless", "rejected", Some("invalid_value")),
        ("", "rejected", Some("invalid_value")),
        ("last", "rejected", Some("not_found")),
    ];
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), expected.len());
    for (index, (result, (device, status, code))) in results.iter().zip(expected).enumerate() {
        assert_eq!(result["index"], index);
        assert_eq!(result["key"].as_str().unwrap_or_default(), device, "{result}");
        assert_eq!(result["status"], status, "{result}");
        assert_eq!(result["code"].as_str(), code, "{result}");
        assert_eq!(result["detail"].is_string(), code.is_some(), "{result}");
        if code.is_none() {
            let there = app.get(&key, &format!("/v1/devices/{device}")).await.expect_status(200).json();
            assert_eq!(result["id"], there["id"]);
            assert_eq!(there["retired_at"], json!(null));
        } else {
            assert_eq!(result.get("id"), None);
        }
    }
    let counts = ["received", "created", "updated", "unchanged", "rejected"].map(|name| answer[name].as_u64().unwrap());
    assert_eq!(counts, [14, 1, 3, 1, 9]);
    let new = app.get(&key, "/v1/devices/new").await.json();
    assert_eq!((&new["group"], &new["kind"], &new["name"]), (&json!("roof"), &json!("gateway"), &json!("New")));
    let moved = app.get(&key, "/v1/devices/moved/assignments").await.json();
    assert_eq!(moved["items"].as_array().unwrap().len(), 2);

    let again = app.post(&key, "/v1/devices", body).await.expect_status(200).json();
    let counts = ["received", "created", "updated", "unchanged", "rejected"].map(|name| again[name].as_u64().unwrap());
    assert_eq!(counts, [14, 0, 0, 5, 9]);
}

pub async fn ten_thousand_devices_go_in_at_once_and_not_one_more(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.expect_status(201);
    app.put(&key, "/v1/customers/other", json!({"name": "Other"})).await.expect_status(201);
    let fleet = |number: usize, customer: &str| -> serde_json::Value {
        (0..number).map(|i| json!({"key": format!("meter-{i}"), "customer": customer})).collect()
    };
    let answer = app.post(&key, "/v1/devices", fleet(10_001, "acme")).await.expect_status(413);
    assert_eq!(answer.problem(), "payload_too_large");
    let answer = app.post(&key, "/v1/devices", fleet(10_000, "acme")).await.expect_status(200).json();
    assert_eq!((&answer["received"], &answer["created"]), (&json!(10_000), &json!(10_000)));
    let answer = app.post(&key, "/v1/devices", fleet(10_000, "acme")).await.expect_status(200).json();
    assert_eq!(answer["unchanged"], 10_000);
    let answer = app.post(&key, "/v1/devices", fleet(10_000, "other")).await.expect_status(200).json();
    assert_eq!(answer["updated"], 10_000);
    let tree = app.get(&key, "/v1/tree").await.expect_status(200).json();
    assert_eq!(tree["customers"][0]["devices"], json!({}));
    assert_eq!(tree["customers"][1]["devices"], json!({"device": 10_000}));
    let answer = app.post(&key, "/v1/devices", json!([])).await.expect_status(200).json();
    assert_eq!((&answer["received"], &answer["results"]), (&json!(0), &json!([])));
    app.post(&key, "/v1/devices", json!({"devices": []})).await.expect_status(422);
}

pub async fn of_many_that_make_the_same_device_one_does(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.expect_status(201);
    let put = || app.put(&key, "/v1/devices/m1", json!({"customer": "acme"}));
    let answers = futures::future::join_all((0..8).map(|_| put())).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let replaced = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((created, replaced), (1, 7));
    let history = app.get(&key, "/v1/devices/m1/assignments").await.json();
    assert_eq!(history["items"].as_array().unwrap().len(), 1);
}
