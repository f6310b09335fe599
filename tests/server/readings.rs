//! Posting readings: a verdict for each, and nothing twice.

use meterbase::keys::Scope;
use serde_json::{Value, json};

use crate::fixtures::{Metric, counts, customer, device, metric, north, send, send_csv, send_json, verdicts};
use crate::harness::{Answer, TestApp};

const AT: &str = "2026-03-01T00:00:00Z";

fn reading(minute: usize, value: Value) -> Value {
    let at = format!("2026-03-{:02}T{:02}:{:02}:00Z", minute / 1440 + 1, minute / 60 % 24, minute % 60);
    json!({"device": "m1", "metric": "energy", "at": at, "value": value})
}

pub async fn each_trouble_is_explained_and_harms_no_neighbour(app: TestApp) {
    let key = north(&app).await;
    let mut sent: Vec<String> = (0..1000).map(|minute| reading(minute, json!(1.5)).to_string()).collect();
    let troubles: [(usize, String, &str, &str); 10] = [
        (7, sent[7].replace("m1", "m2"), "quarantined", "unknown_device"),
        (101, sent[101].replace("energy", "water"), "quarantined", "unknown_metric"),
        (202, sent[202].replace("1.5", "NaN"), "rejected", "invalid_value"),
        (303, sent[303].replace("1.5", "1e400"), "rejected", "out_of_range"),
        (404, sent[404].replace("1.5", &"1234567890".repeat(4)), "rejected", "out_of_range"),
        (505, sent[505].replace("1.5", "\"12,3\""), "rejected", "invalid_value"),
        (606, sent[606].replace(":00Z", ":00"), "rejected", "naive_time"),
        (707, sent[707].replace("2026-", "0001-"), "rejected", "time_out_of_range"),
        (808, sent[800].replace("1.5", "2.5"), "conflict", "value_differs"),
        (909, sent[900].clone(), "duplicate", ""),
    ];
    for (index, text, _, _) in &troubles {
        sent[*index] = text.clone();
    }
    let answer = app.client.post(format!("{}/v1/readings", app.base)).bearer_auth(&key);
    let body = format!("{{\"readings\": [{}]}}", sent.join(",\n"));
    let answer = Answer::of(answer.header("content-type", "application/json").body(body)).await;
    let answer = answer.expect_status(200).json();
    assert_eq!(counts(&answer), [1000, 990, 1, 1, 2, 6], "{answer}");
    // Plain duplicates are not listed.
    let told = answer["results"].as_array().unwrap().iter().map(|result| &result["index"]);
    assert_eq!(told.collect::<Vec<_>>(), troubles[..9].iter().map(|(index, ..)| *index).collect::<Vec<_>>());
    let expected: Vec<_> = troubles[..9].iter().map(|(_, _, status, code)| format!("{status} {code}")).collect();
    assert_eq!(verdicts(&answer), expected);
    assert!(answer["results"][8]["detail"].as_str().unwrap().contains("1.500"), "{answer}");

    let sum = sqlx::query_as("SELECT count(*), sum(value)::bigint, sum(increment)::bigint FROM reading");
    let sum: (i64, i64, i64) = sum.fetch_one(&mut app.db().await).await.unwrap();
    assert_eq!(sum, (990, 990 * 1500, 990 * 1500));
    let kept = sqlx::query_as("SELECT device, metric, value, code FROM quarantine ORDER BY code");
    let kept: Vec<(String, String, String, String)> = kept.fetch_all(&mut app.db().await).await.unwrap();
    let row = |texts: [&str; 4]| texts.map(str::to_owned).into();
    let expected = vec![row(["m2", "energy", "1.5", "unknown_device"]), row(["m1", "water", "1.5", "unknown_metric"])];
    assert_eq!(kept, expected);
}

pub async fn a_repetition_changes_nothing(app: TestApp) {
    let key = north(&app).await;
    let rows: Vec<_> =
        (0..500).map(|minute| format!("m1,energy,{},{minute}.25\n", reading(minute, json!(0))["at"])).collect();
    let csv = format!("device,metric,at,value\n{}m2,energy,{AT},1\n", rows.concat().replace('"', ""));
    assert_eq!(counts(&send_csv(&app, &key, &csv).await), [501, 500, 0, 0, 1, 0]);
    let again = send_csv(&app, &key, &csv).await;
    assert_eq!(counts(&again), [501, 0, 500, 0, 1, 0]);
    assert_eq!(again["results"][499]["line"], 501);
    // Half of it new, half of it there.
    let answer = send_csv(&app, &key, &csv.replace(",1.25", ",1.26").replace("T08:", "T18:")).await;
    assert_eq!(counts(&answer), [501, 20, 479, 1, 1, 0]);
    assert_eq!(verdicts(&answer)[1], "conflict value_differs");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM quarantine").fetch_one(&mut app.db().await).await.unwrap();
    assert_eq!(kept, 1);
}

pub async fn an_event_id_tells_readings_of_one_instant_apart(app: TestApp) {
    let key = north(&app).await;
    let with_id =
        |id: Value, value: i64| json!({"device": "m1", "metric": "energy", "at": AT, "value": value, "id": id});
    let without = json!({"device": "m1", "metric": "energy", "at": AT, "value": 4});
    let sent = json!([
        with_id(json!("a"), 1),
        with_id(json!("b"), 2),
        with_id(json!("a"), 1),
        with_id(json!("b"), 3),
        without
    ]);
    let answer = send_json(&app, &key, &sent).await;
    assert_eq!(verdicts(&answer), ["stored", "stored", "duplicate", "conflict value_differs", "stored"]);
    let answer = send_json(&app, &key, &sent).await;
    assert_eq!(verdicts(&answer), ["duplicate", "duplicate", "duplicate", "conflict value_differs", "duplicate"]);
    let stored: Vec<(Option<String>, i64)> = sqlx::query_as("SELECT event_id, value FROM reading ORDER BY value")
        .fetch_all(&mut app.db().await)
        .await
        .unwrap();
    assert_eq!(stored, vec![(Some("a".to_owned()), 1000), (Some("b".to_owned()), 2000), (None, 4000)]);

    // An id whose hash is that of another one is not taken for it.
    let collide = "UPDATE reading SET event_id = 'z' WHERE event_id = 'a'";
    sqlx::query(collide).execute(&mut app.db().await).await.unwrap();
    let answer = send_json(&app, &key, &json!([with_id(json!("a"), 1)])).await;
    assert_eq!(verdicts(&answer), ["conflict id_differs"]);
}

pub async fn dimensions_make_channels(app: TestApp) {
    let key = north(&app).await;
    let with = |dimensions: Value, value: i64| json!({"device": "m1", "metric": "energy", "at": AT, "value": value, "dimensions": dimensions});
    let largest: serde_json::Map<_, _> = (0..16).map(|n| (format!("name.{n:02}"), json!("é".repeat(28)))).collect();
    let sent = json!([
        with(json!({"tariff": "peak", "phase": "1"}), 1),
        with(json!({"phase": "1", "tariff": "peak"}), 1),
        with(json!({"tariff": "off"}), 1),
        with(json!({}), 1),
        with(json!(largest), 1),
    ]);
    let answer = send_json(&app, &key, &sent).await;
    assert_eq!(verdicts(&answer), ["stored", "duplicate", "stored", "stored", "stored"]);
    let channels: i64 =
        sqlx::query_scalar("SELECT count(*) FROM channel").fetch_one(&mut app.db().await).await.unwrap();
    assert_eq!(channels, 4);

    // The largest of everything fits the index of quarantined readings too.
    let (long, id) = ("m".repeat(128), "é".repeat(256));
    let sent = json!([{"device": long, "metric": long, "at": AT, "value": 1, "id": id, "dimensions": largest}]);
    assert_eq!(verdicts(&send_json(&app, &key, &sent).await), ["quarantined unknown_device"]);
}

pub async fn values_are_exact_to_the_scale(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    metric(&mut db, "north", "strict", Metric { kind: "delta", scale: 2, strict: true, ..Metric::default() }).await;
    metric(&mut db, "north", "level", Metric { kind: "gauge", scale: 0, ..Metric::default() }).await;
    let sent = format!(
        "metric,value,device,at\n\
         energy,0.028999999999999998,m1,{AT}\n\
         energy,0.0005,m1,2026-03-01T00:01:00Z\n\
         energy,0.0015,m1,2026-03-01T00:02:00Z\n\
         energy,9223372036854775.807,m1,2026-03-01T00:03:00Z\n\
         energy,9223372036854775.808,m1,2026-03-01T00:04:00Z\n\
         strict,1.230,m1,{AT}\n\
         strict,1.234,m1,2026-03-01T00:01:00Z\n\
         level,-7,m1,{AT}\n"
    );
    let answer = send_csv(&app, &key, &sent).await;
    let expected = [
        "stored",
        "stored",
        "stored",
        "stored",
        "rejected out_of_range",
        "stored",
        "rejected too_many_decimals",
        "stored",
    ];
    assert_eq!(verdicts(&answer), expected);
    let stored =
        sqlx::query_as("SELECT value, increment FROM reading JOIN channel USING (channel_id) ORDER BY metric_id, ts");
    let stored: Vec<(i64, i64)> = stored.fetch_all(&mut db).await.unwrap();
    assert_eq!(stored, [(29, 29), (0, 0), (2, 2), (i64::MAX, i64::MAX), (123, 123), (-7, 0)]);
}

pub async fn concurrent_posts_of_the_same_readings_count_once(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    metric(&mut db, "north", "total", Metric { kind: "register", scale: 1, ..Metric::default() }).await;
    for device_key in ["m2", "m3", "m4"] {
        device(&mut db, "north", device_key, &[("acme", "(,)")]).await;
    }
    let reading = |n: usize| {
        let minute = reading(n / 8, json!(0))["at"].as_str().unwrap().to_owned();
        format!("m{},{},{minute},{n}\n", n % 4 + 1, ["energy", "total"][n / 4 % 2])
    };
    let rows: Vec<_> = (0..2000).map(reading).collect();
    // Each connection sends all of them, in an order of its own and in parts of its own.
    let posts = (0..6).map(|connection| {
        let (app, key, mut rows) = (&app, &key, rows.clone());
        async move {
            rows.rotate_left(connection * 331);
            if connection % 2 == 1 {
                rows.reverse();
            }
            let mut sums = [0; 6];
            for part in rows.chunks(700 - connection * 50) {
                let answer = send_csv(app, key, &format!("device,metric,at,value\n{}", part.concat())).await;
                sums.iter_mut().zip(counts(&answer)).for_each(|(sum, count)| *sum += count);
            }
            sums
        }
    });
    let sums = futures::future::join_all(posts).await;
    let total = |place: usize| sums.iter().map(|sums| sums[place]).sum::<u64>();
    assert_eq!([total(0), total(1), total(2)], [12_000, 2000, 10_000], "{sums:?}");
    let stored: (i64, i64) = sqlx::query_as("SELECT count(*), count(DISTINCT (channel_id, ts)) FROM reading")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(stored, (2000, 2000));
    // A register's increments are its last value less its first, whoever sent what first.
    let wrong = "
        SELECT count(*) FROM (
            SELECT sum(increment) AS sum, max(value) - min(value) AS difference FROM reading
            JOIN channel USING (channel_id) JOIN metric USING (metric_id) WHERE kind = 'register'
            GROUP BY channel_id) AS register
        WHERE sum <> difference";
    let wrong: i64 = sqlx::query_scalar(wrong).fetch_one(&mut db).await.unwrap();
    assert_eq!(wrong, 0);
}

pub async fn providers_do_not_see_each_other(app: TestApp) {
    let key = north(&app).await;
    app.provider("south", "UTC").await;
    let mut db = app.db().await;
    customer(&mut db, "south", "acme", "UTC").await;
    device(&mut db, "south", "m9", &[("acme", "(,)")]).await;
    metric(&mut db, "south", "water", Metric { kind: "delta", scale: 0, ..Metric::default() }).await;
    let ids =
        "SELECT (SELECT uuid FROM device WHERE key = 'm9')::text, (SELECT uuid FROM metric WHERE key = 'water')::text";
    let (device, metric): (String, String) = sqlx::query_as(ids).fetch_one(&mut db).await.unwrap();
    let of = |device: &str, metric: &str| json!({"device": device, "metric": metric, "at": AT, "value": 1});
    let sent =
        json!([of("m9", "energy"), of(&device, "energy"), of("m1", "water"), of("m1", &metric), of("m1", "energy")]);
    let answer = send_json(&app, &key, &sent).await;
    let unknown = |what: &str| format!("quarantined unknown_{what}");
    let expected = [unknown("device"), unknown("device"), unknown("metric"), unknown("metric"), "stored".to_owned()];
    assert_eq!(verdicts(&answer), expected);
    // Everything can be named by its id as well.
    let south = app.key("south", Scope::Ingest).await;
    assert_eq!(
        verdicts(&send_json(&app, &south, &json!([of(&device, &metric), of("m9", "water")])).await),
        ["stored", "duplicate"]
    );
    let read = app.key("south", Scope::Read).await;
    let answer = send(&app, &read, "application/json", "[]").await.expect_status(403);
    assert_eq!(answer.problem(), "forbidden");
}
