-- rollups.take_changes: takes all pending changes of the oldest hours of [$1, $2), so many hours as make about $3 (channel,
-- hour)s to be recomputed. What only came in is summed up in added_channel_hourly, other changes are moved to
-- touched_channel_hourly: what else happened to a channel's hour has it recomputed, with what came in. Tells the UTC days
-- of the latter, of each whether an hour of it is to be recomputed for all channels. Adding counts a fifth, and an hour to
-- be recomputed as many channels as there are; one hour is taken in any case. Of what is no longer kept nothing is
-- recomputed. (The size of an array tells how long it is without its being read. Of the last hour that is looked at there
-- may be more.)
WITH next AS MATERIALIZED (
    SELECT hour, coalesce((pg_column_size(channels) - 20) / 4, (SELECT count(*) FROM channel))
                 / CASE WHEN billing_day IS NULL THEN 1.0 ELSE 5.0 END AS weight
    FROM reading_change
    WHERE hour >= $1 AND hour < $2{only}
    ORDER BY hour
    LIMIT $3),
hours AS MATERIALIZED (
    SELECT hour
    FROM (SELECT hour, sum(sum(weight)) OVER (ORDER BY hour) - sum(weight) AS before FROM next GROUP BY hour) AS weighed
    WHERE before < $3),
taken AS (
    DELETE FROM reading_change
    WHERE hour IN (SELECT hour FROM hours)
    RETURNING *),
kept AS MATERIALIZED (
    SELECT * FROM taken
    WHERE hour >= coalesce((SELECT dropped_before FROM kept_from WHERE relation = 'reading'), '-infinity')),
touched AS (
    INSERT INTO touched_channel_hourly (bucket, channel_id)
    SELECT DISTINCT hour, unnest(coalesce(channels, '{0}')) FROM kept WHERE billing_day IS NULL
    RETURNING bucket, channel_id),
added AS (
    INSERT INTO added_channel_hourly
    SELECT s.bucket, s.billing_day, s.channel_id, s.customer_id, s.group_id,
{figures}
    FROM (SELECT bucket, billing_day, channel_id, customer_id, group_id, coalesce(count, 1) AS count, increment_sum, value_sum,
                 coalesce(value_min, value_sum) AS value_min, coalesce(value_max, value_sum) AS value_max,
                 first_ts, coalesce(first_value, value_sum) AS first_value,
                 coalesce(last_ts, first_ts) AS last_ts, coalesce(last_value, value_sum) AS last_value
          FROM (SELECT hour AS bucket, billing_day, unnest(channels) AS channel_id, unnest(customers) AS customer_id,
                       unnest(groups) AS group_id, unnest(counts) AS count, unnest(increment_sums) AS increment_sum,
                       unnest(value_sums) AS value_sum, unnest(value_mins) AS value_min, unnest(value_maxs) AS value_max,
                       unnest(first_times) AS first_ts, unnest(first_values) AS first_value,
                       unnest(last_times) AS last_ts, unnest(last_values) AS last_value
                FROM kept
                WHERE billing_day IS NOT NULL AND hour NOT IN (SELECT bucket FROM touched WHERE channel_id = 0)) AS came
          WHERE (bucket, channel_id) NOT IN (SELECT bucket, channel_id FROM touched)) AS s
    GROUP BY 1, 2, 3, 4, 5)
SELECT date_trunc('day', bucket, 'UTC') AS day, bool_or(channel_id = 0) AS whole_hours
FROM touched
GROUP BY 1
ORDER BY 1
