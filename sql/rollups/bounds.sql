-- rollups.bounds: the UTC days that chunks of readings and of rollups ($1) lie in
SELECT date_trunc('day', min(k.range_start), 'UTC'), date_trunc('day', max(k.range_end) + interval '23:59:59.999999', 'UTC')
FROM timescaledb_information.chunks AS k
LEFT JOIN timescaledb_information.continuous_aggregates AS a
  ON a.materialization_hypertable_schema = k.hypertable_schema AND a.materialization_hypertable_name = k.hypertable_name
WHERE coalesce(a.view_schema, k.hypertable_schema) = 'public'
  AND coalesce(a.view_name, k.hypertable_name) = ANY ($1::text[])
