-- rollups.expand_hours: in [$1, $2), replaces channel 0 by the channels that have readings or figures in its hour
INSERT INTO touched_channel_hourly (bucket, channel_id)
SELECT t.bucket, s.channel_id
FROM touched_channel_hourly AS t
JOIN reading AS s ON s.ts >= t.bucket AND s.ts < t.bucket + interval '1 hour'
WHERE t.channel_id = 0 AND t.bucket >= $1 AND t.bucket < $2 AND s.ts >= $1 AND s.ts < $2
UNION
SELECT t.bucket, r.channel_id
FROM touched_channel_hourly AS t
JOIN channel_hourly AS r ON r.bucket = t.bucket
WHERE t.channel_id = 0 AND t.bucket >= $1 AND t.bucket < $2 AND r.bucket >= $1 AND r.bucket < $2
ON CONFLICT DO NOTHING
