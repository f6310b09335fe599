-- $1 readings at random in [$2, $3), of random channels owned by random customers of their provider, in or out of a
-- group; some at the very same instant, some so large that no 64-bit integer holds a sum of two.
WITH drawn AS MATERIALIZED (
    SELECT $2::timestamptz + date_trunc(CASE WHEN random() < 0.2 THEN 'hour' ELSE 'milliseconds' END,
                                        random() * ($3::timestamptz - $2::timestamptz)) AS ts,
           CASE WHEN random() < 0.1 THEN 9000000000000000000 WHEN random() < 0.1 THEN -9000000000000000000
                ELSE floor(random() * 2000000 - 1000000) END::bigint AS value,
           floor(random() * 1000000000)::bigint AS event_key,
           1 + floor(random() * (SELECT count(*) FROM channel))::integer AS channel_id,
           1 + floor(random() * (SELECT count(*) FROM customer))::integer AS owner,
           floor(random() * 3)::integer AS nth_group
    FROM generate_series(1, $1)),
owned AS (
    SELECT d.*, o.customer_id, o.time_zone::text AS time_zone
    FROM drawn AS d
    JOIN channel AS c USING (channel_id)
    CROSS JOIN LATERAL (
        SELECT customer_id, time_zone FROM customer AS o WHERE o.provider_id = c.provider_id
        ORDER BY (o.customer_id + d.owner) % 5 LIMIT 1) AS o)
INSERT INTO reading (ts, value, increment, event_key, channel_id, customer_id, group_id, billing_day)
SELECT ts, value, value, event_key, channel_id, customer_id,
       coalesce((SELECT group_id FROM device_group AS g WHERE g.customer_id = o.customer_id
                 ORDER BY group_id OFFSET o.nth_group LIMIT 1), 0),
       billing_day(ts, time_zone)
FROM owned AS o
ON CONFLICT DO NOTHING
