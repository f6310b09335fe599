-- bench.free_connections: connections that the database still has for those who are no superusers
SELECT current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
     - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::integer
