-- bench.chunks: chunks of continuous aggregates that are in the columnstore ($1), or those that are not
SELECT format('%I.%I', c.chunk_schema, c.chunk_name)
FROM timescaledb_information.continuous_aggregates AS a
JOIN timescaledb_information.chunks AS c
  ON c.hypertable_schema = a.materialization_hypertable_schema AND c.hypertable_name = a.materialization_hypertable_name
WHERE c.is_compressed = $1
ORDER BY 1
