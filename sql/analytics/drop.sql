-- analytics.drop: the statements that take away what the role $1 may, and drop it, if it is there
SELECT s.statement
FROM pg_roles AS r
CROSS JOIN LATERAL unnest(ARRAY[
    CASE WHEN pg_has_role(r.oid, 'USAGE')
         THEN format('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %L', r.rolname) END,
    format('REVOKE ALL ON ALL TABLES IN SCHEMA analytics FROM %I', r.rolname),
    format('REVOKE ALL ON SCHEMA analytics FROM %I', r.rolname),
    CASE WHEN (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database())
         THEN format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), r.rolname) END,
    format('DROP ROLE %I', r.rolname)]) AS s (statement)
WHERE r.rolname = $1 AND s.statement IS NOT NULL
