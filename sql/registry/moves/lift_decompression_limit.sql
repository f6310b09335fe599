-- moves.lift_decompression_limit: a device's compressed history may be longer than TimescaleDB's default limit for one
-- transaction; without effect where the edition has no compression
SELECT set_config(name, '0', true)
FROM pg_settings
WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'
