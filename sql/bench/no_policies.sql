-- bench.no_policies: no policy of TimescaleDB converts or drops anything meanwhile
SELECT count(*)
FROM timescaledb_information.jobs AS j
CROSS JOIN alter_job(j.job_id, scheduled => false)
WHERE j.hypertable_name IS NOT NULL
