CREATE MATERIALIZED VIEW {name}
WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false)
AS {select}
WITH NO DATA;
SELECT set_chunk_time_interval('{name}', interval '{chunk}');
CREATE INDEX {name}_key ON {name} ({keys}, bucket, {billing});
SELECT add_continuous_aggregate_policy('{name}', start_offset => NULL, end_offset => interval '{width}',
    schedule_interval => interval '{schedule}', buckets_per_batch => 0,
    initial_start => date_trunc('hour', now()) + interval '1 hour' + interval '{minute} minutes');
