-- verify.pending: the changes of [$1, $2) that the rollups have yet to follow in this snapshot
INSERT INTO verify_pending
SELECT DISTINCT p.hour, p.channel_id, c.metric_id
FROM reading_change p
LEFT JOIN channel c USING (channel_id)
WHERE p.hour >= $1 AND p.hour < $2
