-- ingest.chunk: the chunk that readings of the instant $1 lie in, if it is there and not in the columnstore
SELECT format('%I.%I', chunk_schema, chunk_name) AS name, range_start AS since, range_end AS until
FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = 'reading' AND NOT is_compressed
  AND range_start <= $1 AND range_end > $1
