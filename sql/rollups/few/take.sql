-- rollups.few.take: moves about $2 changes of single channels in the hours $1 from the log to touched_channel_hourly, and
-- tells their UTC days. Of what is no longer kept nothing is recomputed.
WITH next AS MATERIALIZED (
    SELECT ctid AS place
    FROM reading_change
    WHERE hour = ANY ($1) AND channel_id <> 0
    ORDER BY hour
    LIMIT $2),
taken AS (
    DELETE FROM reading_change
    WHERE ctid = ANY (ARRAY(SELECT place FROM next))
    RETURNING hour, channel_id),
touched AS (
    INSERT INTO touched_channel_hourly
    SELECT DISTINCT hour, channel_id FROM taken
    WHERE hour >= coalesce((SELECT dropped_before FROM kept_from WHERE relation = 'reading'), '-infinity')
    RETURNING bucket)
SELECT DISTINCT date_trunc('day', bucket, 'UTC') AS day
FROM touched
ORDER BY 1
