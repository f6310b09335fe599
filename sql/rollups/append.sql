-- rollups.append: adds to {name} in [$1, $2), and to all that is made from it, wherever touched_{name} says that nothing
-- changed but behind the last reading that it holds: what is there now from the first change on is new, and all else is in
-- it. Takes that out of touched_{name}. (LATERAL and OFFSET, so that each is looked up: nothing is known of how many there
-- are. The values of the first and the last reading are looked up, which takes less than comparing all; of one reading
-- they are its own.)
WITH behind AS MATERIALIZED (
    SELECT t.*
    FROM touched_{name} AS t
    CROSS JOIN LATERAL (
        SELECT max(r.last_ts) AS last_ts FROM {name} AS r
        WHERE r.bucket >= $1 AND r.bucket < $2 AND r.bucket = t.bucket AND r.channel_id = t.channel_id) AS held
    WHERE t.bucket >= $1 AND t.bucket < $2 AND (held.last_ts IS NULL OR held.last_ts < t.since)),
taken AS (
    DELETE FROM touched_{name} WHERE (bucket, channel_id) IN (SELECT bucket, channel_id FROM behind)),
came AS MATERIALIZED (
    SELECT
        t.bucket, s.billing_day, t.channel_id, s.customer_id, s.group_id,
        count(*) AS count,
        sum(s.increment) AS increment_sum,
        sum(s.value) AS value_sum,
        min(s.value) AS value_min,
        max(s.value) AS value_max,
        min(s.ts) AS first_ts,
        max(s.ts) AS last_ts
    FROM behind AS t
    CROSS JOIN LATERAL (
        SELECT s.* FROM reading AS s
        WHERE s.ts >= $1 AND s.ts < $2 AND s.ts >= t.since AND s.ts < t.bucket + interval '1 hour'
          AND s.channel_id = t.channel_id
        OFFSET 0) AS s
    GROUP BY t.bucket, s.billing_day, t.channel_id, s.customer_id, s.group_id),
new_{name} AS MATERIALIZED (
    SELECT
        came.bucket, came.billing_day, came.channel_id, came.customer_id, came.group_id, c.device_id, c.metric_id,
        came.count, came.increment_sum, came.value_sum, came.value_min, came.value_max,
        came.first_ts,
        CASE came.count WHEN 1 THEN came.value_min ELSE (
            SELECT min(s.value) FROM reading AS s
            WHERE s.ts >= $1 AND s.ts < $2 AND s.channel_id = came.channel_id AND s.ts = came.first_ts
              AND (s.billing_day, s.customer_id, s.group_id) = (came.billing_day, came.customer_id, came.group_id))
        END AS first_value,
        came.last_ts,
        CASE came.count WHEN 1 THEN came.value_max ELSE (
            SELECT max(s.value) FROM reading AS s
            WHERE s.ts >= $1 AND s.ts < $2 AND s.channel_id = came.channel_id AND s.ts = came.last_ts
              AND (s.billing_day, s.customer_id, s.group_id) = (came.billing_day, came.customer_id, came.group_id))
        END AS last_value
    FROM came
    JOIN channel AS c ON c.channel_id = came.channel_id){added}
SELECT {changed}
