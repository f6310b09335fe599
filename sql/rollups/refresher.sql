-- rollups.refresher: who holds the lock $1, and since when it is at its transaction or statement
SELECT a.pid, a.application_name AS application, coalesce(a.xact_start, a.state_change) AS since
FROM pg_locks AS l
JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = $1
