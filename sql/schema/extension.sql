-- schema.extension: version of TimescaleDB in this database, and the one that the server has the files of
SELECT e.extversion, a.default_version
FROM pg_extension e
JOIN pg_available_extensions a ON a.name = e.extname
WHERE e.extname = 'timescaledb'
