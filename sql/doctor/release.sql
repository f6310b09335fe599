-- doctor.release: the release of TimescaleDB in this database, and PostgreSQL's version as a number
SELECT extversion, current_setting('server_version_num')::integer FROM pg_extension WHERE extname = 'timescaledb'
