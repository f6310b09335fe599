-- registers.following: the next $6 readings of each channel behind a position, from $4 to $5 (null for all there are),
-- with what is known of those that were ever suspicious
SELECT r.channel_id, r.ts, r.event_key, r.value, r.increment, v.suspect, v.kind, v.repeated, v.trusted_ts,
       v.trusted_event_key, v.trusted_value, v.accepting, v.decision, v.increment AS decided
FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[]) AS behind (channel_id, ts, event_key)
CROSS JOIN LATERAL (
    SELECT r.channel_id, r.ts, r.event_key, r.value, r.increment
    FROM reading r
    WHERE r.channel_id = behind.channel_id AND (r.ts, r.event_key) > (behind.ts, behind.event_key)
      AND r.ts >= $4 AND r.ts <= coalesce($5, 'infinity')
    ORDER BY r.ts, r.event_key
    LIMIT $6) AS r
LEFT JOIN review v ON (v.channel_id, v.ts, v.event_key) = (r.channel_id, r.ts, r.event_key)
ORDER BY r.channel_id, r.ts, r.event_key
