-- rollups.take_changes: moves about $3 (channel, hour)s of [$1, $2) from the log to touched_channel_hourly, and tells
-- their UTC days, and of each whether an hour of it is to be recomputed for all channels. Such an hour counts as many
-- channels as there are, so that a batch stays bounded; it is taken in any case when it is the first. Of what is no
-- longer kept nothing is recomputed. (The size of an array tells how long it is without its being read.)
WITH next AS MATERIALIZED (
    SELECT ctid AS place, hour, coalesce((pg_column_size(channels) - 20) / 4, (SELECT count(*) FROM channel)) AS weight
    FROM reading_change
    WHERE hour >= $1 AND hour < $2
    ORDER BY hour
    LIMIT $3),
weighed AS (
    SELECT place, sum(weight) OVER (ORDER BY hour, place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM next),
taken AS (
    DELETE FROM reading_change
    WHERE ctid = ANY (ARRAY(SELECT place FROM weighed WHERE before IS NULL OR before < $3))
    RETURNING hour, since, channels),
touched AS (
    INSERT INTO touched_channel_hourly (bucket, channel_id, since)
    SELECT taken.hour, of.channel_id, min(taken.since)
    FROM taken
    CROSS JOIN LATERAL unnest(coalesce(taken.channels, '{0}')) AS of (channel_id)
    WHERE taken.hour >= coalesce((SELECT dropped_before FROM kept_from WHERE relation = 'reading'), '-infinity')
    GROUP BY 1, 2
    RETURNING bucket, channel_id)
SELECT date_trunc('day', bucket, 'UTC') AS day, bool_or(channel_id = 0) AS whole_hours
FROM touched
GROUP BY 1
ORDER BY 1
