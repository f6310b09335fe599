-- rollups.rows.chunks: the chunks of readings and rollups with something of [$1, $2), of each whether it is of a rollup,
-- whether it has gone to the columnstore, and its end
SELECT format('%I.%I', c.chunk_schema, c.chunk_name) AS name, c.hypertable_schema <> 'public' AS of_rollup,
       c.is_compressed AS converted, c.range_end AS until
FROM timescaledb_information.chunks AS c
WHERE c.range_end > $1 AND c.range_start < $2
  AND (c.hypertable_schema = 'public' AND c.hypertable_name = 'reading'
       OR (c.hypertable_schema, c.hypertable_name) IN (
           SELECT materialization_hypertable_schema, materialization_hypertable_name
           FROM timescaledb_information.continuous_aggregates
           WHERE view_schema = 'public'))
