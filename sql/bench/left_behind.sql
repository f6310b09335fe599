-- bench.left_behind: databases of runs that are gone, as far as the role may drop them. $1: first key of the lock that a run
-- holds; the second is the number in its database's name.
SELECT datname::text
FROM pg_database
WHERE datname ~ '^meterbase_bench_[0-9]+$'
  AND pg_has_role(datdba, 'USAGE')
  AND NOT EXISTS (
      SELECT FROM pg_locks
      WHERE locktype = 'advisory' AND objsubid = 2 AND granted
        AND classid::bigint = $1 AND objid::bigint = substring(datname FROM '[0-9]+$')::bigint)
