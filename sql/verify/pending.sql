-- verify.pending: the changes of [$1, $2) that the rollups have yet to follow in this snapshot; channel 0 is all channels
INSERT INTO verify_pending
SELECT DISTINCT p.hour, of.channel_id, c.metric_id
FROM reading_change p
CROSS JOIN LATERAL unnest(coalesce(p.channels, '{0}')) AS of (channel_id)
LEFT JOIN channel c USING (channel_id)
WHERE p.hour >= $1 AND p.hour < $2
