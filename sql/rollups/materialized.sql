-- rollups.materialized: how far the aggregate $1 is materialised (watermark) or may be being so (threshold of its
-- source), in microseconds since 1970; and up to when policies materialise buckets of width $2
SELECT w.watermark, t.watermark AS threshold, time_bucket($2::interval, now() - $2::interval) AS due
FROM _timescaledb_catalog.continuous_agg AS a
LEFT JOIN _timescaledb_catalog.continuous_aggs_watermark AS w ON w.mat_hypertable_id = a.mat_hypertable_id
LEFT JOIN _timescaledb_catalog.continuous_aggs_invalidation_threshold AS t ON t.hypertable_id = a.raw_hypertable_id
WHERE a.user_view_schema = 'public' AND a.user_view_name = $1
