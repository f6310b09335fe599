-- ingest.chunk: the chunk that readings of the instant $1 lie in, if it is there and not in the columnstore, and whether
-- the refresher wants to know what readings add up to
SELECT format('%I.%I', chunk_schema, chunk_name) AS name, range_start AS since, range_end AS until,
       coalesce((SELECT edition = 'apache' FROM rollup_generation ORDER BY generation_id DESC LIMIT 1), false) AS sums
FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = 'reading' AND NOT is_compressed
  AND range_start <= $1 AND range_end > $1
