-- rollups.take_changes: moves about $3 different (channel, hour)s of [$1, $2) from the log to touched_channel_hourly, of the
-- first $4 entries about, and tells their UTC days, and of each whether an hour of it is to be recomputed for all channels.
-- Such an hour counts as many channels as there are, so that a batch stays bounded; it is taken in any case when it is the
-- first. Of what is no longer kept nothing is recomputed. (The size of an array tells how long it is without its being
-- read.)
WITH next AS MATERIALIZED (
    SELECT ctid AS place, hour, since, channels,
           coalesce((pg_column_size(channels) - 20) / 4, (SELECT count(*) FROM channel)) AS weight
    FROM reading_change
    WHERE hour >= $1 AND hour < $2
    ORDER BY hour
    LIMIT $4),
weighed AS MATERIALIZED (
    SELECT place, hour, since, channels, weight, row_number() OVER rows AS number, sum(weight) OVER rows - weight AS before
    FROM next
    WINDOW rows AS (ORDER BY hour, place)),
entries AS MATERIALIZED (
    SELECT w.number, w.hour, w.since, w.weight, of.channel_id
    FROM weighed AS w
    CROSS JOIN LATERAL unnest(coalesce(w.channels, '{0}')) AS of (channel_id)
    WHERE w.before < $4),
-- How many a row is the first to name, and the first row that has no room.
named AS (
    SELECT min(number) AS number, CASE channel_id WHEN 0 THEN max(weight) ELSE 1 END AS weight
    FROM entries
    GROUP BY hour, channel_id),
room AS (
    SELECT min(number) AS ends_at
    FROM (SELECT number, sum(sum(weight)) OVER (ORDER BY number) - sum(weight) AS before FROM named GROUP BY number) AS first
    WHERE before >= $3),
taken AS (
    DELETE FROM reading_change
    WHERE ctid = ANY (ARRAY(SELECT place FROM weighed, room WHERE before < $4 AND (number >= ends_at) IS NOT TRUE))),
touched AS (
    INSERT INTO touched_channel_hourly (bucket, channel_id, since)
    SELECT hour, channel_id, min(since)
    FROM entries, room
    WHERE (number >= ends_at) IS NOT TRUE
      AND hour >= coalesce((SELECT dropped_before FROM kept_from WHERE relation = 'reading'), '-infinity')
    GROUP BY 1, 2
    RETURNING bucket, channel_id)
SELECT date_trunc('day', bucket, 'UTC') AS day, bool_or(channel_id = 0) AS whole_hours
FROM touched
GROUP BY 1
ORDER BY 1
