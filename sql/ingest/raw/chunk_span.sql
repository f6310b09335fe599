-- ingest.raw.chunk_span: the first instant that there can be a reading of, and the one before which the last one is
SELECT min(range_start), max(range_end)
FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = 'reading'
