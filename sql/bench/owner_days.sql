-- bench.owner_days: what those readings sum up to by {owner} and day, from the day $1 to before the day $2
INSERT INTO {table} (bucket, billing_day, {owner}, metric_id, count, increment_sum, value_sum,
    value_min, value_max, first_ts, first_value, last_ts, last_value)
SELECT b.day::timestamptz, b.day, f.{owner}, f.metric_id, f.count, f.count * b.value + f.sum, f.count * b.value + f.sum,
       b.value + f.least, b.value + f.greatest,
       b.day + f.first_noon, b.value + f.least, b.day + f.last_noon, b.value + f.greatest
FROM (
    SELECT a.{owner}, c.metric_id, count(*) AS count, sum(c.device_id % 10) AS sum,
           min(c.device_id % 10) AS least, max(c.device_id % 10) AS greatest,
           time '06:30' AS first_noon, time '17:00' AS last_noon
    FROM channel AS c
    JOIN assignment AS a USING (device_id)
    GROUP BY 1, 2) AS f
CROSS JOIN generate_series($1::date::timestamp, $2::date - interval '1 day', '1 day') AS d
CROSS JOIN LATERAL (SELECT d::date AS day, 1000 + (d::date - date '2000-01-01') % 97 * 10 AS value) AS b
ORDER BY f.{owner}, b.day
