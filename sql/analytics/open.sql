-- analytics.open: what the role $1 can do beyond reading the views of analytics, and whether that is in this database
SELECT 'it cannot connect to the database ' || quote_ident(current_database()) AS what, true AS here
WHERE NOT has_database_privilege($1, current_database(), 'CONNECT')
UNION ALL
SELECT 'temporary tables and functions (TEMPORARY on the database)', true
WHERE has_database_privilege($1, current_database(), 'TEMPORARY')
UNION ALL
SELECT 'new schemas (CREATE on the database)', true
WHERE has_database_privilege($1, current_database(), 'CREATE')
UNION ALL
SELECT 'the schema ' || quote_ident(n.nspname), true
FROM pg_namespace AS n
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'analytics', 'pg_toast')
  AND n.nspname NOT LIKE '\_timescaledb\_%'
  AND (has_schema_privilege($1, n.oid, 'USAGE') OR has_schema_privilege($1, n.oid, 'CREATE'))
UNION ALL
SELECT 'tables of TimescaleDB, of which ' || min(c.oid::regclass::text), true
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname LIKE '\_timescaledb\_%' AND c.relkind IN ('r', 'v') AND has_table_privilege($1, c.oid, 'SELECT')
HAVING count(*) > 0
UNION ALL
SELECT 'functions of TimescaleDB, of which ' || min(p.oid::regprocedure::text), true
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname LIKE '\_timescaledb\_%' AND has_function_privilege($1, p.oid, 'EXECUTE')
HAVING count(*) > 0
UNION ALL
SELECT 'the function ' || p.oid::regprocedure::text, true
FROM pg_proc AS p
WHERE p.oid IN ('pg_advisory_lock(bigint)'::regprocedure, 'lo_create(oid)'::regprocedure, 'pg_current_xact_id()'::regprocedure)
  AND has_function_privilege($1, p.oid, 'EXECUTE')
UNION ALL
SELECT 'the database ' || quote_ident(d.datname), false
FROM pg_database AS d
WHERE d.datallowconn AND d.datname <> current_database() AND has_database_privilege($1, d.oid, 'CONNECT')
