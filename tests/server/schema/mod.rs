//! The effective schema: as committed here, commented, and with names chosen by people.
//!
//! `METERBASE_REWRITE_SCHEMA=1 cargo test --test server -- schema` writes the committed files anew.

use meterbase::database::Edition;
use meterbase::rollup::definition::ROLLUPS;
use sqlx::PgConnection;

use crate::harness::TestApp;

/// Functions that are made with the rollups.
const FUNCTIONS: &[&str] = &[
    "reading_changed",
    "reading_row_deleted",
    "readings_added",
    "readings_copied",
    "readings_truncated",
    "refuse_dropped",
    "keep_figures",
    "note_refresh",
    "refuse_blind_refresh",
];

async fn dump(db: &mut PgConnection, rollups: bool) -> String {
    let names: Vec<_> = ROLLUPS.iter().map(|rollup| rollup.name.clone()).collect();
    let dump = sqlx::query_scalar(include_str!("dump.sql")).bind(rollups).bind(names).bind(FUNCTIONS);
    let lines: Vec<String> = dump.fetch_all(db).await.expect("the schema");
    lines.join("\n") + "\n"
}

fn compare(found: &str, file: &str) {
    let path = format!("{}/tests/server/schema/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("METERBASE_REWRITE_SCHEMA").is_some() {
        std::fs::write(&path, found).expect("a written schema");
    }
    let committed = std::fs::read_to_string(&path).expect("the committed schema");
    let differs = |(a, b): &(&str, &str)| a != b;
    let first = found.lines().zip(committed.lines()).enumerate().find(|(_, pair)| differs(pair));
    assert!(
        found == committed,
        "the schema is not that of {file}, first at {first:?}; METERBASE_REWRITE_SCHEMA=1 writes it anew"
    );
}

pub async fn the_schema_is_as_committed(app: TestApp) {
    let mut db = app.db().await;
    compare(&dump(&mut db, false).await, "schema.txt");
    let rollups = match app.edition {
        Edition::Apache => "rollups_apache.txt",
        Edition::Community => "rollups_community.txt",
    };
    compare(&dump(&mut db, true).await, rollups);
}

/// What analysts' queries rest on: a release may only add lines at the end of a view, or views. The file changes with care.
pub async fn the_views_for_analysts_stay_as_they_are(app: TestApp) {
    let mut db = app.db().await;
    let lines: Vec<String> =
        sqlx::query_scalar(include_str!("analytics.sql")).fetch_all(&mut db).await.expect("the views");
    let bare: Vec<_> = lines.iter().filter(|line| line.contains("(no comment)")).collect();
    assert!(bare.is_empty(), "without a comment: {bare:?}");
    compare(&(lines.join("\n") + "\n"), "analytics.txt");
}

pub async fn everything_has_a_comment(app: TestApp) {
    let mut db = app.db().await;
    let all = dump(&mut db, false).await + &dump(&mut db, true).await;
    assert!(all.lines().count() > 200, "{all}");
    let bare: Vec<_> = all.lines().filter(|line| line.contains("(no comment)")).collect();
    assert!(bare.is_empty(), "without a comment:\n{}", bare.join("\n"));
}

pub async fn constraints_have_chosen_names(app: TestApp) {
    let mut db = app.db().await;
    // PostgreSQL's own: table_check, table_column_check1, table_column_fkey, table_column_excl.
    let made_up: Vec<String> = sqlx::query_scalar(
        "SELECT conname::text FROM pg_constraint AS c
         WHERE c.connamespace = 'public'::regnamespace AND c.contype NOT IN ('n', 't')
           AND (SELECT relname FROM pg_class WHERE oid = c.conrelid) IS DISTINCT FROM 'refinery_schema_history'
           AND (conname ~ '(_check|_excl|[0-9])$'
                OR contype = 'f' AND conname = (
                    SELECT t.relname || '_' || string_agg(a.attname, '_' ORDER BY k.place) || '_fkey'
                    FROM pg_class AS t, unnest(c.conkey) WITH ORDINALITY AS k (number, place), pg_attribute AS a
                    WHERE t.oid = c.conrelid AND a.attrelid = t.oid AND a.attnum = k.number GROUP BY t.relname))",
    )
    .fetch_all(&mut db)
    .await
    .expect("the constraints");
    assert_eq!(made_up, Vec::<String>::new());
}
