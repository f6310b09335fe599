-- analytics.create: the statements that make the role $1 with the password's verifier $2, at most $3 connections and
-- statements of at most $4 milliseconds. What a superuser alone may set is set where one asks.
SELECT s.statement
FROM (SELECT $1::text AS role, current_database() AS here) AS n
CROSS JOIN LATERAL unnest(ARRAY[
    format('CREATE ROLE %I LOGIN NOINHERIT CONNECTION LIMIT %s PASSWORD %L', n.role, $3::integer, $2::text),
    format('ALTER ROLE %I IN DATABASE %I SET statement_timeout = %L', n.role, n.here, $4::bigint::text),
    format('ALTER ROLE %I IN DATABASE %I SET idle_in_transaction_session_timeout = %L', n.role, n.here, '60s'),
    format('ALTER ROLE %I IN DATABASE %I SET lock_timeout = %L', n.role, n.here, '10s'),
    format('ALTER ROLE %I IN DATABASE %I SET default_transaction_read_only = on', n.role, n.here),
    format('ALTER ROLE %I IN DATABASE %I SET search_path = analytics', n.role, n.here),
    format('ALTER ROLE %I IN DATABASE %I SET timezone = %L', n.role, n.here, 'UTC'),
    format('ALTER ROLE %I IN DATABASE %I SET jit = off', n.role, n.here),
    CASE WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
         THEN format('ALTER ROLE %I IN DATABASE %I SET temp_file_limit = %L', n.role, n.here, '4GB') END,
    CASE WHEN (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = n.here)
         THEN format('GRANT CONNECT ON DATABASE %I TO %I', n.here, n.role) END]) AS s (statement)
WHERE s.statement IS NOT NULL
