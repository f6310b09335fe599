-- rollups.queue_all: every hour of every chunk of readings, all channels of it
INSERT INTO reading_change (hour)
SELECT hour
FROM timescaledb_information.chunks,
     generate_series(range_start, range_end - interval '1 hour', interval '1 hour') AS hour
WHERE hypertable_schema = 'public' AND hypertable_name = 'reading'
