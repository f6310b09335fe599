//! What an analyst of one provider tries to see of another, whose every name begins with `secret`.

use sqlx::PgConnection;

use super::{analyst, fleet, role, rows};
use crate::harness::TestApp;
use meterbase::analytics::VIEWS;
use sqlx::ConnectOptions;

/// What comes of an attempt.
#[derive(Debug, Clone, Copy)]
enum Comes {
    /// An error of missing rights.
    Denied,
    /// No row.
    Nothing,
    /// Rows, none of which tells of the other provider.
    Own,
    /// An error of another kind, which does not tell of it either.
    Fails,
}
use Comes::{Denied, Fails, Nothing, Own};

const ATTEMPTS: &[(&str, Comes)] = &[
    // The tables, whatever their name.
    ("SELECT * FROM public.customer", Denied),
    ("SET search_path = public, analytics; SELECT * FROM reading", Fails),
    ("SELECT * FROM public.accounting_daily", Denied),
    ("SELECT * FROM _timescaledb_internal._hyper_1_1_chunk", Denied),
    ("COPY public.customer TO STDOUT", Denied),
    ("TABLE public.analyst", Denied),
    // The other provider in the views.
    ("SELECT * FROM analytics.customers WHERE provider = 'secret'", Nothing),
    ("SELECT * FROM analytics.customers WHERE provider <> 'northwind'", Nothing),
    ("SELECT * FROM analytics.customer_usage_daily WHERE customer LIKE 'secret%'", Nothing),
    (
        "SELECT * FROM analytics.readings AS r FULL JOIN analytics.devices AS d USING (device) WHERE device LIKE 'secret%'",
        Nothing,
    ),
    (
        "SELECT k.* FROM generate_series(1, 1000) AS n CROSS JOIN analytics.calendars(n) AS k
      EXCEPT ALL SELECT first_day, since, until, time_zone FROM analytics.calendars",
        Nothing,
    ),
    // Errors that would tell of rows that the view does not show.
    ("SELECT count(*) FROM analytics.customers WHERE 1 / (provider = 'northwind')::integer = 1", Own),
    ("SELECT count(*) FROM analytics.customers WHERE provider <> 'northwind' AND name::integer = 1", Own),
    ("SELECT count(*) FROM analytics.readings WHERE provider <> 'northwind' AND device::integer = 1", Own),
    ("SELECT count(*) FROM analytics.customer_usage_daily WHERE 1 / (used < 10000)::integer = 1", Own),
    ("SELECT count(*) FROM analytics.provider_usage_monthly WHERE ('{' || provider || '}')::jsonb IS NULL", Fails),
    ("DO $$ BEGIN PERFORM FROM analytics.quarantine WHERE device::integer = 1; END $$", Fails),
    ("EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM analytics.customers WHERE name::text > 'a'", Own),
    // Functions and operators that are given rows before the view has chosen them.
    (
        "CREATE FUNCTION analytics.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.1 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'",
        Denied,
    ),
    ("CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'", Denied),
    ("CREATE TEMPORARY TABLE t (n integer)", Denied),
    ("CREATE OPERATOR analytics.<<< (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)", Denied),
    // The views and the table behind them.
    ("ALTER VIEW analytics.customers SET (security_barrier = false)", Denied),
    ("CREATE OR REPLACE VIEW analytics.customers AS SELECT 1", Denied),
    ("INSERT INTO public.analyst VALUES (current_user, NULL)", Denied),
    ("DELETE FROM analytics.quarantine", Fails),
    // Other roles.
    ("SET ROLE {owner}", Denied),
    ("SET SESSION AUTHORIZATION {owner}", Denied),
    ("SELECT set_config('role', '{owner}', false)", Denied),
    ("CREATE ROLE {role}_more", Denied),
    ("ALTER ROLE {role} CONNECTION LIMIT 100", Denied),
    // Statistics and what others do.
    ("SELECT * FROM pg_stats WHERE schemaname = 'public'", Nothing),
    ("SELECT * FROM pg_statistic", Denied),
    (
        "SELECT query FROM pg_stat_activity WHERE usename <> current_user AND query <> '<insufficient privilege>'",
        Nothing,
    ),
    ("SELECT * FROM pg_authid", Denied),
    // Functions of Meterbase, TimescaleDB and PostgreSQL.
    ("SELECT public.customer_subtree(1)", Denied),
    ("SELECT * FROM public.customer_calendars(ARRAY[1, 2, 3, 4, 5, 6, 7, 8])", Denied),
    ("SELECT public.show_chunks('analytics.readings')", Denied),
    ("SELECT * FROM timescaledb_information.chunks", Denied),
    ("SELECT * FROM _timescaledb_catalog.chunk", Denied),
    ("SELECT _timescaledb_functions.cagg_watermark(3)", Denied),
    ("SELECT _timescaledb_functions.chunks_local_size('public', 'reading')", Denied),
    ("SELECT query_to_xml('SELECT * FROM public.customer', true, true, '')", Denied),
    ("SELECT pg_read_file('postgresql.conf')", Denied),
    ("COPY (SELECT 1) TO PROGRAM 'cat'", Denied),
    // What would stop the servers, or write.
    ("SELECT pg_advisory_lock(1297371714, 1)", Denied),
    ("SELECT pg_try_advisory_xact_lock_shared(1)", Denied),
    ("SELECT pg_current_xact_id()", Denied),
    ("SELECT lo_from_bytea(0, 'written')", Denied),
    ("LOCK TABLE analytics.readings IN ACCESS EXCLUSIVE MODE", Denied),
];

/// Whether a text tells of the other provider.
fn tells(text: &str) -> bool {
    text.to_lowercase().contains("secret")
}

/// Runs an attempt in a transaction of its own, which is undone.
async fn tried(db: &mut PgConnection, sql: &str) -> sqlx::Result<Vec<Vec<String>>> {
    // Whoever has a role can say so; that nothing can be written does not rest on it.
    rows(db, "SET default_transaction_read_only = off").await?;
    rows(db, "BEGIN").await?;
    let found = rows(db, sql).await;
    rows(db, "ROLLBACK").await?;
    rows(db, "RESET ALL").await?;
    found
}

pub async fn whatever_is_tried_shows_no_other_provider(app: TestApp) {
    fleet(&app).await;
    let options = role(&app, &["--provider", "northwind"]);
    let mut db = options.connect().await.expect("a connection as an analyst");
    let (owner, role) = (app.options.get_username(), options.get_username());
    for (sql, comes) in ATTEMPTS {
        let sql = sql.replace("{owner}", owner).replace("{role}", role);
        let found = tried(&mut db, &sql).await;
        // What the attempt itself names comes back in messages.
        if !tells(&sql) {
            assert!(!tells(&format!("{found:?}")), "{sql}: {found:?}");
        }
        let code = found.as_ref().err().and_then(|e| e.as_database_error()?.code().map(|code| code.into_owned()));
        match comes {
            Denied => assert_eq!(code.as_deref(), Some("42501"), "{sql}: {found:?}"),
            Nothing => assert!(found.as_ref().is_ok_and(Vec::is_empty), "{sql}: {found:?}"),
            Own => assert!(found.is_ok(), "{sql}: {found:?}"),
            Fails => assert!(code.is_some(), "{sql}: {found:?}"),
        }
    }
    assert!(ATTEMPTS.len() >= 20);
}

pub async fn no_view_shows_a_row_of_another_provider(app: TestApp) {
    fleet(&app).await;
    let (mut north, mut secret) = (analyst(&app, "northwind").await, analyst(&app, "secret").await);
    for (view, _) in VIEWS {
        let sql = format!("SELECT provider, count(*) FROM analytics.{view} GROUP BY provider");
        for (db, provider) in [(&mut north, "northwind"), (&mut secret, "secret")] {
            let found = rows(db, &sql).await.unwrap_or_else(|error| panic!("{view}: {error}"));
            let providers: Vec<_> = found.iter().map(|row| row[0].as_str()).collect();
            // No meter was replaced.
            assert_eq!(providers, if view == "replacements" { vec![] } else { vec![provider] }, "{view}");
        }
        let texts = rows(&mut north, &format!("SELECT v::text FROM analytics.{view} AS v")).await.expect("rows");
        assert!(!tells(&format!("{texts:?}")), "{view}");
        let texts = rows(&mut secret, &format!("SELECT v::text FROM analytics.{view} AS v")).await.expect("rows");
        assert!(!format!("{texts:?}").contains("northwind"), "{view}");
    }
}

pub async fn who_is_no_analyst_sees_nothing_and_all_see_all(app: TestApp) {
    fleet(&app).await;
    let mut owner = app.db().await;
    let mut all = role(&app, &["--all"]).connect().await.expect("a connection");
    for (view, _) in VIEWS {
        let sql = format!("SELECT DISTINCT provider FROM analytics.{view} ORDER BY 1");
        assert!(rows(&mut owner, &sql).await.expect("rows").is_empty(), "{view}");
        let found = rows(&mut all, &sql).await.expect("rows");
        assert_eq!(found.len(), if view == "replacements" { 0 } else { 2 }, "{view}: {found:?}");
    }
    // Whoever may be several roles sees what the one that it is sees.
    let options = role(&app, &["--provider", "northwind"]);
    let north = options.get_username();
    rows(&mut owner, &format!("SET ROLE {north}")).await.expect("a role");
    let seen = rows(&mut owner, "SELECT DISTINCT provider, time_zone FROM analytics.customers ORDER BY 2").await;
    assert_eq!(seen.expect("rows"), [["northwind", "Asia/Kathmandu"], ["northwind", "Europe/Paris"]]);
}
