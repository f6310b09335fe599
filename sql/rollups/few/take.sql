-- rollups.few.take: moves about $2 changes of single channels in the hours $1 from the log to touched_channel_hourly, and
-- tells their UTC days. Of what is no longer kept nothing is recomputed.
WITH next AS MATERIALIZED (
    SELECT ctid AS place, hour, cardinality(channels) AS weight
    FROM reading_change
    WHERE hour = ANY ($1) AND channels IS NOT NULL
    ORDER BY hour
    LIMIT $2),
weighed AS (
    SELECT place, sum(weight) OVER (ORDER BY hour, place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM next),
taken AS (
    DELETE FROM reading_change
    WHERE ctid = ANY (ARRAY(SELECT place FROM weighed WHERE before IS NULL OR before < $2))
    RETURNING hour, channels),
touched AS (
    INSERT INTO touched_channel_hourly (bucket, channel_id)
    SELECT DISTINCT taken.hour, of.channel_id
    FROM taken
    CROSS JOIN LATERAL unnest(taken.channels) AS of (channel_id)
    WHERE taken.hour >= coalesce((SELECT dropped_before FROM kept_from WHERE relation = 'reading'), '-infinity')
    RETURNING bucket)
SELECT DISTINCT date_trunc('day', bucket, 'UTC') AS day
FROM touched
ORDER BY 1
