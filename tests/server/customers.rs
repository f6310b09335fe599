//! Customers: replacing, the hierarchy, lists.

use serde_json::json;

use crate::harness::TestApp;

pub async fn a_customer_is_made_replaced_and_found(app: TestApp) {
    let key = app.provider("north", "Europe/Paris").await;
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme", "time_zone": "Asia/Tokyo"})).await.expect_status(201);
    let body = json!({"name": "Acme North", "parent": "acme"});
    let made = app.put(&key, "/v1/customers/acme-north", body.clone()).await.expect_status(201).json();
    assert_eq!(made["parent"], "acme");
    assert_eq!(made["time_zone"], json!(null));
    assert_eq!(made["billing_time_zone"], "Asia/Tokyo");
    assert_eq!(made["created_at"], made["updated_at"]);

    let again = app.put(&key, "/v1/customers/acme-north", body).await.expect_status(200).json();
    assert_eq!(again, made, "nothing changed, so updated_at does not either");

    // By id; what is left out takes its default, and null counts as left out.
    let id = made["id"].as_str().unwrap();
    let body = json!({"name": "Northern", "parent": null, "time_zone": null});
    let replaced = app.put(&key, &format!("/v1/customers/{id}"), body).await.expect_status(200).json();
    assert_eq!(replaced["key"], "acme-north");
    assert_eq!(replaced["parent"], json!(null));
    assert_eq!(replaced["billing_time_zone"], "Europe/Paris");
    assert_ne!(replaced["updated_at"], made["updated_at"]);
    assert_eq!(app.get(&key, "/v1/customers/acme-north").await.expect_status(200).json(), replaced);

    let unknown = "/v1/customers/018f0000-0000-7000-8000-000000000000";
    app.put(&key, unknown, json!({"name": "Nobody"})).await.expect_status(404);
}

pub async fn a_parent_can_be_named_by_id_and_must_be_there(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let acme = app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.json();
    let sub = app.put(&key, "/v1/customers/sub", json!({"name": "Sub", "parent": acme["id"]})).await.expect_status(201);
    assert_eq!(sub.json()["parent"], "acme");
    let answer = app.put(&key, "/v1/customers/sub", json!({"name": "Sub", "parent": "nobody"})).await;
    assert_eq!(answer.expect_status(404).json()["errors"][0]["pointer"], "/parent");
}

pub async fn lists_are_walked_page_by_page(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    app.put(&key, "/v1/customers/top", json!({"name": "Top"})).await.expect_status(201);
    let mut names: Vec<String> = (0..25).map(|i| format!("c{}", i * 7 % 25)).collect();
    for name in &names {
        let body = json!({"name": format!("Customer {name}"), "parent": "top"});
        app.put(&key, &format!("/v1/customers/{name}"), body).await.expect_status(201);
    }
    names.sort();
    assert_eq!(app.walk(&key, "/v1/customers?parent=top&limit=4").await, names);
    assert_eq!(app.walk(&key, "/v1/customers?parent=top&limit=25").await, names, "no empty page at the end");
    assert_eq!(app.walk(&key, "/v1/customers").await.len(), 26);
    let admin = app.admin.clone();
    assert_eq!(app.walk(&admin, "/v1/customers?provider=north&limit=10&q=customer").await, names);
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=00", "cursor=", "limit=1&limit=2", "q=%00"] {
        app.get(&key, &format!("/v1/customers?{query}")).await.expect_status(400);
    }
}

pub async fn a_search_finds_text_in_keys_and_names_as_it_is(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    for (customer, name) in [("a_1", "Hundred%"), ("ab1", "100"), ("zz", "Back\\slash"), ("ACME", "It is a_1")] {
        app.put(&key, &format!("/v1/customers/{customer}"), json!({"name": name})).await.expect_status(201);
    }
    for (text, found) in [
        ("a_1", &["ACME", "a_1"][..]),
        ("%25", &["a_1"]),
        ("_", &["ACME", "a_1"]),
        ("%5c", &["zz"]),
        ("acme", &["ACME"]),
        ("HUNDRED", &["a_1"]),
        ("1", &["ACME", "a_1", "ab1"]),
        ("nothing", &[]),
    ] {
        assert_eq!(app.walk(&key, &format!("/v1/customers?q={text}")).await, found, "{text}");
    }
    let unknown = app.get(&key, "/v1/customers?parent=nobody").await.expect_status(404);
    assert_eq!(unknown.json()["errors"][0]["pointer"], "parent");
}

pub async fn a_customer_cannot_be_above_itself(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let put = async |customer: &str, parent: Option<&str>| {
        let body = json!({"name": customer, "parent": parent});
        app.put(&key, &format!("/v1/customers/{customer}"), body).await
    };
    put("a", None).await.expect_status(201);
    put("b", Some("a")).await.expect_status(201);
    put("c", Some("b")).await.expect_status(201);
    for parent in ["a", "b", "c"] {
        assert_eq!(put("a", Some(parent)).await.expect_status(409).problem(), "customer_cycle");
    }
    put("c", Some("a")).await.expect_status(200);
    put("b", Some("c")).await.expect_status(200);
    put("new", Some("new")).await.expect_status(404);
}

pub async fn two_changes_at_once_cannot_make_a_cycle(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    for round in 0..10 {
        let names = [format!("a{round}"), format!("b{round}")];
        for name in &names {
            app.put(&key, &format!("/v1/customers/{name}"), json!({"name": "N"})).await.expect_status(201);
        }
        let below = async |customer: &str, parent: &str| {
            app.put(&key, &format!("/v1/customers/{customer}"), json!({"name": "N", "parent": parent})).await.status
        };
        let (one, other) = tokio::join!(below(&names[0], &names[1]), below(&names[1], &names[0]));
        assert_eq!(one.min(other), 200);
        assert_eq!(one.max(other), 409);
    }
}

pub async fn only_a_customer_that_never_had_anything_is_deleted(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    for customer in ["parent", "grouped", "owner", "empty"] {
        app.put(&key, &format!("/v1/customers/{customer}"), json!({"name": "N"})).await.expect_status(201);
    }
    app.put(&key, "/v1/customers/child", json!({"name": "N", "parent": "parent"})).await.expect_status(201);
    app.put(&key, "/v1/groups/group", json!({"name": "N", "customer": "grouped"})).await.expect_status(201);
    app.put(&key, "/v1/devices/m1", json!({"customer": "owner"})).await.expect_status(201);
    app.put(&key, "/v1/devices/m1", json!({"customer": "child"})).await.expect_status(200);
    for customer in ["parent", "grouped", "owner", "child"] {
        let answer = app.delete(&key, &format!("/v1/customers/{customer}")).await.expect_status(409);
        assert_eq!(answer.problem(), "customer_in_use", "{customer}");
    }
    app.delete(&key, "/v1/customers/empty").await.expect_status(204);
    app.get(&key, "/v1/customers/empty").await.expect_status(404);
    app.delete(&key, "/v1/customers/empty").await.expect_status(404);
    let audit =
        "SELECT before->>'name' FROM audit WHERE action = 'customer.delete' AND entity = 'empty' AND after IS NULL";
    let before: String = sqlx::query_scalar(audit).fetch_one(&mut app.db().await).await.unwrap();
    assert_eq!(before, "N");
    // Its key is free again, for another customer.
    app.put(&key, "/v1/customers/empty", json!({"name": "N"})).await.expect_status(201);
}

pub async fn what_a_customer_cannot_be_is_explained(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    for (body, pointer) in [
        (json!({"name": ""}), "/name"),
        (json!({"name": "x".repeat(257)}), "/name"),
        (json!({"name": "a\u{0}b"}), "/name"),
        (json!({"name": 5}), "/name"),
        (json!({"name": "N", "time_zone": "Mars/Base"}), "/time_zone"),
        (json!({"name": "N", "time_zone": "+01:00"}), "/time_zone"),
        (json!({"name": "N", "parent": "a b"}), "/parent"),
        (json!({"name": "N", "colour": "red"}), "/colour"),
    ] {
        let answer = app.put(&key, "/v1/customers/acme", body.clone()).await.expect_status(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    app.put(&key, "/v1/customers/acme", json!({"name": "é".repeat(256)})).await.expect_status(201);
    app.put(&key, "/v1/customers/a%20b", json!({"name": "N"})).await.expect_status(400);
}

pub async fn the_database_names_the_constraint_of_an_unknown_time_zone(app: TestApp) {
    let error = sqlx::query("SELECT 'Mars/Base'::time_zone_name").execute(&mut app.db().await).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().constraint(), Some("time_zone_name_known"));
}
