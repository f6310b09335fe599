-- doctor.timescaledb: version in this database, version on the server, whether it is loaded
SELECT (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS installed,
       (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb') AS available,
       current_setting('timescaledb.license', true) IS NOT NULL AS loaded
