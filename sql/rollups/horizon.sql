-- rollups.horizon: an instant such that every reading recorded before it is committed or never will be. A transaction
-- has its number before it records a reading, and one that has a number began before it recorded anything. Whoever
-- gets a number after this statement began records later than that. Who holds one of the locks $1 records no readings.
-- With $2 also which chunks are in the columnstore. The functions are those of the views pg_stat_activity and pg_locks,
-- whose joins take longer to plan than all of this to run.
SELECT least(statement_timestamp(), min(a.xact_start)), CASE WHEN $2 THEN ({conversions}) END
FROM pg_stat_get_activity(NULL) AS a
WHERE a.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND a.backend_xid IS NOT NULL AND a.backend_type = 'client backend'
  AND a.pid <> pg_backend_pid()
  AND NOT EXISTS (SELECT FROM pg_lock_status() AS l
                  WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                    AND (l.classid::bigint << 32) | l.objid::bigint = ANY ($1))
