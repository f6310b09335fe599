-- rollups.take_changes: moves all pending changes of the oldest hours of [$1, $2) to touched_channel_hourly, so many hours as
-- make about $3 (channel, hour)s to be recomputed, and tells their UTC days, of each whether an hour of it is to be
-- recomputed for all channels, and the transactions that only added readings. Adding readings counts a fifth, and an hour
-- to be recomputed as many channels as there are; one hour is taken in any case. Of what is no longer kept nothing is
-- recomputed. (The size of an array tells how long it is without its being read. Of the last hour that is looked at there
-- may be more.)
WITH next AS MATERIALIZED (
    SELECT hour, coalesce((pg_column_size(channels) - 20) / 4, (SELECT count(*) FROM channel))
                 / CASE WHEN readings IS NULL THEN 1.0 ELSE 5.0 END AS weight
    FROM reading_change
    WHERE hour >= $1 AND hour < $2
    ORDER BY hour
    LIMIT $3),
hours AS MATERIALIZED (
    SELECT hour
    FROM (SELECT hour, sum(sum(weight)) OVER (ORDER BY hour) - sum(weight) AS before FROM next GROUP BY hour) AS weighed
    WHERE before < $3),
taken AS (
    DELETE FROM reading_change
    WHERE hour IN (SELECT hour FROM hours)
    RETURNING hour, since, until, channels, readings, changed_by),
touched AS (
    INSERT INTO touched_channel_hourly (bucket, channel_id, since, until, readings)
    SELECT taken.hour, of.channel_id, min(taken.since), max(taken.until),
           CASE WHEN bool_and(of.readings IS NOT NULL) THEN sum(of.readings) END
    FROM taken
    CROSS JOIN LATERAL unnest(coalesce(taken.channels, '{0}'), taken.readings) AS of (channel_id, readings)
    WHERE taken.hour >= coalesce((SELECT dropped_before FROM kept_from WHERE relation = 'reading'), '-infinity')
    GROUP BY 1, 2
    RETURNING bucket, channel_id)
SELECT date_trunc('day', bucket, 'UTC') AS day, bool_or(channel_id = 0) AS whole_hours,
       ARRAY(SELECT DISTINCT changed_by::xid::text FROM taken WHERE readings IS NOT NULL) AS added_by
FROM touched
GROUP BY 1
ORDER BY 1
