-- retention.register_bases: the last readings of registers in [$1, $2), which are about to go
INSERT INTO register_base AS b (channel_id, ts, event_key, value)
SELECT DISTINCT ON (r.channel_id) r.channel_id, r.ts, r.event_key, r.value
FROM reading AS r
JOIN channel AS c USING (channel_id)
JOIN metric AS m USING (metric_id)
WHERE m.kind = 'register' AND r.ts >= $1 AND r.ts < $2
ORDER BY r.channel_id, r.ts DESC, r.event_key DESC
ON CONFLICT (channel_id) DO UPDATE SET ts = excluded.ts, event_key = excluded.event_key, value = excluded.value
WHERE (b.ts, b.event_key) < (excluded.ts, excluded.event_key)
