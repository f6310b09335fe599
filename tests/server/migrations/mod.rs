//! Each migration is tried on data of the version before it: none of it may change.

use std::collections::BTreeMap;

use meterbase::{database, migrate, rollup};
use refinery_core::Target;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use crate::harness::TestApp;
use crate::rollups::naive;

/// Data to be stored at a version, in tables that are new in it or have new columns.
const SAMPLES: [(i32, &str); 11] = [
    (1, include_str!("V1.sql")),
    (2, include_str!("V2.sql")),
    (4, include_str!("V4.sql")),
    (5, include_str!("V5.sql")),
    (10, include_str!("V10.sql")),
    (13, include_str!("V13.sql")),
    (14, include_str!("V14.sql")),
    (15, include_str!("V15.sql")),
    (17, include_str!("V17.sql")),
    (18, include_str!("V18.sql")),
    (20, include_str!("V20.sql")),
];

/// The version that gives the log of changes another form.
const CHANGE_LOG: i32 = 11;

/// The version that drops a column which nobody reads any more, and the column.
const DROPPED: (i32, &str, &str) = (23, "rollup_generation", "followed_at");

/// What the log of changes says, in either form: hour, channel (0 for all), when and by whom.
const CHANGES: [&str; 2] = [
    "SELECT DISTINCT (hour, channel_id, changed_at, changed_by)::text FROM reading_change ORDER BY 1",
    "SELECT DISTINCT (hour, channel_id, changed_at, changed_by)::text
     FROM reading_change, unnest(coalesce(channels, '{0}')) AS channel_id ORDER BY 1",
];

/// Tables with their columns.
type Tables = BTreeMap<String, Vec<String>>;

async fn tables(db: &mut PgConnection) -> Tables {
    let columns: Vec<(String, Vec<String>)> = sqlx::query_as(
        "SELECT c.relname::text, array_agg(quote_ident(a.attname) ORDER BY a.attnum)
         FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'refinery_schema_history'
         GROUP BY c.relname",
    )
    .fetch_all(db)
    .await
    .expect("the tables");
    columns.into_iter().collect()
}

/// Every row of the given columns, as text.
async fn rows(db: &mut PgConnection, tables: &Tables) -> BTreeMap<String, Vec<String>> {
    let mut rows = BTreeMap::new();
    for (table, columns) in tables {
        let sql = format!("SELECT ROW({})::text FROM {table} ORDER BY 1", columns.join(", "));
        let found = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *db).await;
        rows.insert(table.clone(), found.expect("a table that is still there, with its columns"));
    }
    rows
}

async fn log_of_changes(db: &mut PgConnection, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(db).await.expect("the log of changes")
}

pub async fn every_migration_keeps_the_data_of_the_version_before(app: TestApp) {
    let mut db = app.empty_database().await.connect().await.expect("an empty database");
    database::check(&mut db).await.expect("a usable database");
    let mut before = (Tables::new(), BTreeMap::new());
    let mut changes = Vec::new();
    for version in 1..=migrate::known_version() {
        if version == CHANGE_LOG {
            changes = log_of_changes(&mut db, CHANGES[0]).await;
            before.0.remove("reading_change");
            before.1.remove("reading_change");
        }
        if let (of, table, column) = DROPPED
            && of == version
        {
            before.0.get_mut(table).expect("its table").retain(|kept| kept != column);
            before.1 = rows(&mut db, &before.0).await;
        }
        migrate::run_to(&mut db, app.edition, Target::Version(version)).await.expect("a migration");
        if migrate::applied_version(&mut db).await.expect("a version") != Some(version) {
            assert!(version < migrate::known_version());
            // No migration has this number.
            continue;
        }
        assert_eq!(rows(&mut db, &before.0).await, before.1, "after version {version}");
        if version == CHANGE_LOG {
            assert!(changes.len() > 25_000 && log_of_changes(&mut db, CHANGES[1]).await == changes);
            let longest = "SELECT max(cardinality(channels)), bool_and(billing_day IS NULL) FROM reading_change";
            let longest: (i32, bool) = sqlx::query_as(longest).fetch_one(&mut db).await.expect("the log");
            assert!(longest.0 <= 10_000 && longest.1, "{longest:?}");
        }
        for (_, sample) in SAMPLES.iter().filter(|(of, _)| *of == version) {
            sqlx::raw_sql(*sample).execute(&mut db).await.expect("sample data");
        }
        let tables = tables(&mut db).await;
        let rows = rows(&mut db, &tables).await;
        before = (tables, rows);
    }
    migrate::run(&mut db, app.edition).await.expect("the whole schema");
    before.0.retain(|table, _| !["reading_change", "rollup_generation", "analytics_version"].contains(&table.as_str()));
    before.1.retain(|table, _| before.0.contains_key(table));
    assert_eq!(rows(&mut db, &before.0).await, before.1, "after the rollups were made");

    // Readings that were there before the rollups are in them.
    rollup::refresh(&mut db, app.edition).await.expect("a refresh");
    assert!(naive::check(&mut db, "after all migrations").await > 0);
    let begun = "SELECT count(*), count(*) FILTER (WHERE c.first_ts IS DISTINCT FROM r.first_ts)
        FROM (SELECT channel_id, min(ts) AS first_ts FROM reading GROUP BY channel_id) r JOIN channel c USING (channel_id)";
    let (channels, wrong): (i64, i64) = sqlx::query_as(begun).fetch_one(&mut db).await.expect("the channels");
    assert!(channels > 0 && wrong == 0, "{wrong} of {channels} channels do not know their earliest reading");
}

pub async fn a_database_of_a_later_version_is_left_alone(app: TestApp) {
    let mut db = app.db().await;
    let known = migrate::known_version();
    sqlx::query("UPDATE refinery_schema_history SET version = $1 + 1 WHERE version = $1")
        .bind(known)
        .execute(&mut db)
        .await
        .expect("a later version");
    let refused = migrate::run(&mut db, app.edition).await.expect_err("a refusal").to_string();
    assert!(refused.contains(&format!("schema version {}", known + 1)), "{refused}");
}
