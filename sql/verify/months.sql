-- verify.months: the UTC months of [$1, $2) that chunks of readings or rollups ($3) lie in
SELECT DISTINCT date_trunc('month', day, 'UTC') AS month
FROM timescaledb_information.chunks AS k
LEFT JOIN timescaledb_information.continuous_aggregates AS a
  ON a.materialization_hypertable_schema = k.hypertable_schema AND a.materialization_hypertable_name = k.hypertable_name
CROSS JOIN LATERAL generate_series(greatest(date_trunc('day', k.range_start, 'UTC'), $1),
                                   least(k.range_end, $2) - interval '1 microsecond', interval '1 day') AS day
WHERE coalesce(a.view_schema, k.hypertable_schema) = 'public'
  AND coalesce(a.view_name, k.hypertable_name) = ANY ($3::text[])
ORDER BY 1
