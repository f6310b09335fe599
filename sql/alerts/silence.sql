-- alerts.silence: of customers ($3), groups ($5) and devices ($7), each set with a label, how many devices each label has at the
-- instant $1, and how many of those have no reading after $2 though they were there before it
WITH assigned AS MATERIALIZED (
    SELECT s.label, a.device_id, lower(a.during) AS since
    FROM unnest($4::integer[], $3::integer[]) AS s (label, customer_id)
    JOIN assignment a ON a.customer_id = s.customer_id AND a.during @> $1::timestamptz
    UNION ALL
    SELECT s.label, a.device_id, lower(a.during)
    FROM unnest($6::integer[], $5::integer[]) AS s (label, group_id)
    JOIN assignment a ON a.group_id = s.group_id AND a.during @> $1
    UNION ALL
    SELECT s.label, a.device_id, lower(a.during)
    FROM unnest($8::integer[], $7::integer[]) AS s (label, device_id)
    JOIN assignment a ON a.device_id = s.device_id AND a.during @> $1),
-- An assignment without a start is as old as its device.
scoped AS MATERIALIZED (
    SELECT label, device_id, coalesce(since, d.created_at) <= $2::timestamptz AS is_old
    FROM assigned
    JOIN device d USING (device_id)),
asked AS (SELECT DISTINCT device_id FROM scoped WHERE is_old),
-- Most of them send now: their rows of these hours are read at once, and only the others' one by one further back.
recent AS MATERIALIZED (
    SELECT DISTINCT r.device_id
    FROM channel_hourly r
    JOIN asked USING (device_id)
    WHERE r.bucket >= greatest(date_trunc('hour', $2::timestamptz, 'UTC'), date_trunc('hour', $1, 'UTC') - interval '1 hour')
      AND r.last_ts > $2),
silent AS (
    SELECT device_id FROM asked
    WHERE NOT EXISTS (SELECT FROM recent WHERE recent.device_id = asked.device_id)
      AND NOT EXISTS (SELECT FROM channel c
                      JOIN channel_hourly r USING (channel_id)
                      WHERE c.device_id = asked.device_id AND r.bucket >= date_trunc('hour', $2, 'UTC') AND r.last_ts > $2))
SELECT s.label, count(*) AS devices, count(silent.device_id) AS silent
FROM scoped s
LEFT JOIN silent ON silent.device_id = s.device_id AND s.is_old
GROUP BY s.label
