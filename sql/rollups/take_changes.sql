-- rollups.take_changes: moves about $3 (channel, hour)s of [$1, $2) from the log to touched_channel_hourly, and tells
-- their UTC days, and of each whether an hour of it is to be recomputed for all channels. Such an hour counts as many
-- channels as there are, so that a batch stays bounded; it is taken in any case when it is the first. Of what is no
-- longer kept nothing is recomputed.
WITH next AS MATERIALIZED (
    SELECT ctid AS place, hour, channel_id
    FROM reading_change
    WHERE hour >= $1 AND hour < $2
    ORDER BY hour
    LIMIT $3),
weighed AS (
    SELECT place, channel_id, sum(CASE channel_id WHEN 0 THEN (SELECT count(*) FROM channel) ELSE 1 END)
        OVER (ORDER BY hour, place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM next),
taken AS (
    DELETE FROM reading_change
    WHERE ctid = ANY (ARRAY(SELECT place FROM weighed WHERE before IS NULL OR before < $3))
    RETURNING hour, channel_id),
touched AS (
    INSERT INTO touched_channel_hourly
    SELECT DISTINCT hour, channel_id FROM taken
    WHERE hour >= coalesce((SELECT dropped_before FROM kept_from WHERE relation = 'reading'), '-infinity')
    RETURNING bucket, channel_id)
SELECT date_trunc('day', bucket, 'UTC') AS day, bool_or(channel_id = 0) AS whole_hours
FROM touched
GROUP BY 1
ORDER BY 1
