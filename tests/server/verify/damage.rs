//! Rollups that were damaged by hand.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{change_one, tables, verify};
use crate::harness::TestApp;
use crate::rollups::{fleet, insert, naive};
use crate::verify::command;

const FROM: &str = "2025-03-25T00:00:00Z";
const TO: &str = "2025-04-07T00:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

async fn filled(app: &TestApp) -> PgConnection {
    let mut db = fleet(app).await;
    insert(&mut db, 400, at(FROM), at(TO)).await;
    insert(&mut db, 40, at("2025-06-01T00:00:00Z"), at("2025-06-03T00:00:00Z")).await;
    app.settle().await;
    db
}

/// In each rollup one row has another sum, one is gone, and one is there that should not be.
async fn damage(app: &TestApp, db: &mut PgConnection) -> Vec<String> {
    let mut expected = Vec::new();
    for (name, place, keys) in tables(app, db).await {
        let row = |nth: usize| {
            format!(
                "({keys}) = (SELECT {keys} FROM {place} WHERE bucket < '{TO}' ORDER BY {keys} OFFSET {nth} LIMIT 1)"
            )
        };
        let sum: String =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT increment_sum::text FROM {place} WHERE {}", row(0))))
                .fetch_one(&mut *db)
                .await
                .expect("a sum");
        let count = |nth: usize| AssertSqlSafe(format!("SELECT count::text FROM {place} WHERE {}", row(nth)));
        let [gone, copied]: [String; 2] = [
            sqlx::query_scalar(count(2)).fetch_one(&mut *db).await.expect("a count"),
            sqlx::query_scalar(count(1)).fetch_one(&mut *db).await.expect("a count"),
        ];
        let wrong = sum.parse::<i128>().expect("a number") + 1;
        let billing = if name.ends_with("monthly") { "billing_month" } else { "billing_day" };
        let others: Vec<_> = keys.split(", ").filter(|key| *key != billing).collect();
        let others = others.join(", ");
        let figures =
            "count, increment_sum, value_sum, value_min, value_max, first_ts, first_value, last_ts, last_value";
        change_one(db, format!("DELETE FROM {place} WHERE {}", row(2))).await;
        change_one(
            db,
            format!(
                "INSERT INTO {place} ({others}, {billing}, {figures})
                 SELECT {others}, {billing} + 366, {figures} FROM {place} WHERE {}",
                row(1)
            ),
        )
        .await;
        change_one(db, format!("UPDATE {place} SET increment_sum = {wrong} WHERE {}", row(0))).await;
        expected.push(format!("{name} increment_sum {wrong} {sum}"));
        expected.push(format!("{name} row - {gone} readings"));
        expected.push(format!("{name} row {copied} readings -"));
    }
    expected.sort();
    expected
}

pub async fn damage_at_every_level_is_found_and_mended(app: TestApp) {
    let mut db = filled(&app).await;
    let rows = naive::check(&mut db, "before").await;
    assert_eq!(verify(&app, &["--only", "rollups"]).expect_clean(), rows.unsigned_abs(), "every row was compared");

    let expected = damage(&app, &mut db).await;
    let found = verify(&app, &["--only", "rollups"]);
    assert_eq!(found.code, Some(1), "{}", found.stderr);
    assert_eq!(found.differences(), expected);
    assert_eq!(found.summary()["differences"], 36);

    let limited = verify(&app, &["--only", "rollups", "--limit", "5"]);
    assert_eq!((limited.code, limited.lines.len()), (Some(1), 6));
    assert_eq!(limited.summary()["differences"], 36, "all are counted");
    assert!(limited.stderr.contains("31 more differences are not shown"), "{}", limited.stderr);

    let said = command(&app, &["rollups", "rebuild", "--from", "2025-03-01", "--to", "2025-05-01"]).output().unwrap();
    assert!(said.status.success(), "{}", crate::binary::text(&said.stderr));
    verify(&app, &["--only", "rollups"]).expect_clean();
    naive::check(&mut db, "after the rebuild").await;
}

pub async fn a_row_that_is_kept_twice_is_found(app: TestApp) {
    if app.edition == meterbase::database::Edition::Apache {
        // A unique index refuses it.
        return;
    }
    let mut db = filled(&app).await;
    let (_, place, _) = tables(&app, &mut db).await.swap_remove(3);
    change_one(&mut db, format!("INSERT INTO {place} SELECT * FROM {place} ORDER BY 1, 2, 3 LIMIT 1")).await;
    let found = verify(&app, &["--only", "rollups"]);
    assert_eq!((found.code, &found.summary()["differences"]), (Some(1), &1.into()), "{:?}", found.lines);
    assert!(found.differences()[0].starts_with("provider_hourly count 2 1"), "{:?}", found.differences());
}

pub async fn a_range_and_a_sample_are_compared_alone(app: TestApp) {
    let mut db = filled(&app).await;
    let (_, place, _) = tables(&app, &mut db).await.swap_remove(7);
    for bucket in ["2025-03-31", "2025-04-01"] {
        let row = "(SELECT provider_id, metric_id, billing_day FROM {place} WHERE bucket = '{bucket}' ORDER BY 1, 2, 3 LIMIT 1)";
        let row = row.replace("{place}", &place).replace("{bucket}", bucket);
        change_one(
            &mut db,
            format!("UPDATE {place} SET count = count + 1 WHERE bucket = '{bucket}' AND (provider_id, metric_id, billing_day) = {row}"),
        )
        .await;
    }
    let found = |arguments: &[&str]| {
        verify(&app, &[&["--only", "rollups"], arguments].concat()).summary()["differences"].clone()
    };
    assert_eq!(found(&[]), 2);
    assert_eq!(found(&["--from", "2025-04-01", "--to", "2025-04-02"]), 1);
    assert_eq!(found(&["--from", "2025-04-02", "--to", "2025-05-01"]), 0);
    assert_eq!(
        found(&["--from", "2025-03-31T23:00:00Z", "--to", "2025-03-31T23:30:00Z"]),
        1,
        "the whole UTC day counts"
    );
    // Every day of the range is in such a sample; the two months do not add up to their days any more.
    assert_eq!(found(&["--sample", "100%", "--seed", "1", "--from", "2025-03-01", "--to", "2025-05-01"]), 4);
    let one = verify(&app, &["--only", "rollups", "--sample", "1d", "--seed", "7"]);
    let again = verify(&app, &["--only", "rollups", "--sample", "1d", "--seed", "7"]);
    assert_eq!(one.lines, again.lines, "the same seed draws the same day");
    assert!(one.stderr.contains("seed is 7"), "{}", one.stderr);
}

pub async fn without_readings_levels_are_compared_with_each_other(app: TestApp) {
    let mut db = filled(&app).await;
    let dropped = "2025-04-03T00:00:00Z";
    sqlx::query("INSERT INTO kept_from (relation, since) VALUES ('reading', $1)")
        .bind(at(dropped))
        .execute(&mut db)
        .await
        .expect("a limit");
    sqlx::query("SELECT drop_chunks('reading', $1)").bind(at(dropped)).execute(&mut db).await.expect("a drop");
    app.settle().await;
    let clean = verify(&app, &["--only", "rollups"]);
    clean.expect_clean();
    assert_eq!(clean.summary()["not_comparable"], serde_json::json!(["channel_hourly"]));

    // Of a day without readings and of its hours; both are found once each, above them nothing is.
    for (nth, column) in [(1, "value_max"), (6, "last_value")] {
        let (_, place, keys) = tables(&app, &mut db).await.swap_remove(nth);
        let row =
            format!("({keys}) = (SELECT {keys} FROM {place} WHERE bucket < '2025-03-30' ORDER BY {keys} LIMIT 1)");
        change_one(&mut db, format!("UPDATE {place} SET {column} = {column} + 1 WHERE {row}")).await;
    }
    let found = verify(&app, &["--only", "rollups", "--from", "2025-03-25", "--to", "2025-04-02"]);
    let found: Vec<_> =
        found.differences().iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert!(found.contains(&"customer_hourly value_max".to_owned()), "{found:?}");
    assert!(found.contains(&"group_daily last_value".to_owned()), "{found:?}");

    // What is made from what is kept can be rebuilt; of the rest nothing is lost.
    let figures = "SELECT r::text FROM channel_hourly r ORDER BY 1";
    let before: Vec<String> = sqlx::query_scalar(figures).fetch_all(&mut db).await.unwrap();
    let said = command(&app, &["rollups", "rebuild"]).output().unwrap();
    assert!(said.status.success(), "{}", crate::binary::text(&said.stderr));
    assert_eq!(sqlx::query_scalar::<_, String>(figures).fetch_all(&mut db).await.unwrap(), before);
    verify(&app, &["--only", "rollups"]).expect_clean();
}
