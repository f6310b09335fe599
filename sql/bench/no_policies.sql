-- bench.no_policies: no policy refreshes or drops: most of the figures have no readings that they could be made from
SELECT count(*)
FROM timescaledb_information.jobs AS j
CROSS JOIN alter_job(j.job_id, scheduled => false)
WHERE j.hypertable_name IS NOT NULL
