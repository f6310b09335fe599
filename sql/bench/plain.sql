-- bench.plain: an empty hypertable with the columns, indexes and chunks of reading, and without triggers
DROP TABLE IF EXISTS bench_plain;
CREATE TABLE bench_plain (LIKE reading INCLUDING ALL);
SELECT create_hypertable('bench_plain', by_range('ts', time_interval), create_default_indexes => false)
FROM timescaledb_information.dimensions
WHERE hypertable_schema = 'public' AND hypertable_name = 'reading' AND column_name = 'ts'
