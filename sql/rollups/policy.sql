SELECT add_continuous_aggregate_policy('{name}', start_offset => interval '{reach}', end_offset => interval '{width}',
    schedule_interval => interval '{schedule}', buckets_per_batch => 0,
    initial_start => date_trunc('hour', now()) + interval '1 hour' + interval '{minute} minutes');
