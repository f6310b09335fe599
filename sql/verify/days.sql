-- verify.days: the UTC days of [$1, $2) up to now that chunks of readings lie in; and of the time whose readings are no
-- longer kept those that chunks of hours lie in
SELECT DISTINCT day
FROM timescaledb_information.chunks AS k
LEFT JOIN timescaledb_information.continuous_aggregates AS a
  ON a.materialization_hypertable_schema = k.hypertable_schema AND a.materialization_hypertable_name = k.hypertable_name
CROSS JOIN LATERAL (SELECT coalesce(a.view_name, k.hypertable_name) AS name) AS n
CROSS JOIN LATERAL generate_series(greatest(date_trunc('day', k.range_start, 'UTC'), $1),
                                   least(k.range_end, $2, now()) - interval '1 microsecond', interval '1 day') AS day
WHERE coalesce(a.view_schema, k.hypertable_schema) = 'public'
  AND (n.name = 'reading'
       OR n.name = 'channel_hourly' AND day < (SELECT since FROM kept_from WHERE relation = 'reading'))
ORDER BY 1
