-- metrics.rollup_lag: age of the oldest change that the rollups have yet to follow, in seconds; 0 where there is none
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(changed_at)), 0)::double precision FROM reading_change
