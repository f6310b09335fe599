-- retention.chunks: the chunks of $1 that end at or before $2, oldest first
SELECT c.range_start, c.range_end
FROM timescaledb_information.chunks AS c
LEFT JOIN timescaledb_information.continuous_aggregates AS a
    ON a.materialization_hypertable_schema = c.hypertable_schema AND a.materialization_hypertable_name = c.hypertable_name
WHERE coalesce(a.view_schema, c.hypertable_schema) = 'public' AND coalesce(a.view_name, c.hypertable_name) = $1
  AND c.range_end <= $2
ORDER BY c.range_start
