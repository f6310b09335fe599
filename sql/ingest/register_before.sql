-- ingest.register_before: the last stored reading before each of these, from $4 to $5; none is everywhere
SELECT sent.place, before.ts, before.event_key, before.value
FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[]) WITH ORDINALITY AS sent (channel_id, ts, event_key, place)
CROSS JOIN LATERAL (
    SELECT r.ts, r.event_key, r.value FROM reading r
    WHERE r.channel_id = sent.channel_id AND (r.ts, r.event_key) < (sent.ts, sent.event_key)
      AND r.ts >= coalesce($4, '-infinity') AND r.ts <= coalesce($5, 'infinity')
    ORDER BY r.ts DESC, r.event_key DESC
    LIMIT 1) AS before
