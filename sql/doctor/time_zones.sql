-- doctor.time_zones: each time zone in use with PostgreSQL's offsets at the start of each month from 1970 to 2040
WITH used (name) AS (
    SELECT time_zone::text FROM provider
    UNION
    SELECT time_zone::text FROM customer WHERE time_zone IS NOT NULL
    UNION
    SELECT time_zone::text FROM customer_time_zone
    UNION
    SELECT 'UTC'),
sample (ts) AS (
    SELECT month AT TIME ZONE 'UTC'
    FROM generate_series(timestamp '1970-01-01', timestamp '2040-12-01', interval '1 month') AS month)
SELECT u.name,
       array_agg(extract(epoch FROM s.ts)::bigint ORDER BY s.ts) AS instants,
       array_agg(extract(epoch FROM (s.ts AT TIME ZONE u.name) - (s.ts AT TIME ZONE 'UTC'))::integer ORDER BY s.ts) AS offsets
FROM used u CROSS JOIN sample s
GROUP BY u.name
ORDER BY u.name
