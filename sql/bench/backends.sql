-- bench.backends: processes of PostgreSQL that work in this database, with whose connection or worker each is
SELECT a.pid, coalesce(l.application_name, a.application_name) AS application,
       coalesce(l.backend_type, a.backend_type, '') AS backend_type
FROM pg_stat_activity AS a
LEFT JOIN pg_stat_activity AS l ON l.pid = a.leader_pid AND l.pid <> a.pid
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
