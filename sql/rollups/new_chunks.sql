-- rollups.new_chunks: chunks of readings and rollups that hold rows and were never analysed
SELECT c.oid::regclass::text
FROM timescaledb_information.chunks AS k
JOIN pg_class AS c ON c.relname = k.chunk_name AND c.relnamespace = to_regnamespace(quote_ident(k.chunk_schema))
WHERE c.reltuples < 0 AND pg_relation_size(c.oid) > 0
  AND (k.hypertable_schema = 'public'
       OR (k.hypertable_schema, k.hypertable_name) IN (
           SELECT materialization_hypertable_schema, materialization_hypertable_name
           FROM timescaledb_information.continuous_aggregates
           WHERE view_schema = 'public'))
