-- A policy that never runs: refreshing is Meterbase's. TimescaleDB wants one where chunks go to the columnstore by policy.
SELECT alter_job(add_continuous_aggregate_policy('{name}', start_offset => interval '{reach}', end_offset => interval '{width}',
                                                 schedule_interval => interval '1 day'), scheduled => false);
