-- ingest.register_before: the last stored reading before each of these, from $4 to $5. None is everywhere: then also
-- what is kept of a register whose readings were dropped
SELECT sent.place, before.ts, before.event_key, before.value
FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[]) WITH ORDINALITY AS sent (channel_id, ts, event_key, place)
CROSS JOIN LATERAL (
    SELECT either.*
    FROM (
        (SELECT r.ts, r.event_key, r.value FROM reading r
         WHERE r.channel_id = sent.channel_id AND (r.ts, r.event_key) < (sent.ts, sent.event_key)
           AND r.ts >= coalesce($4, '-infinity') AND r.ts <= coalesce($5, 'infinity')
         ORDER BY r.ts DESC, r.event_key DESC
         LIMIT 1)
        UNION ALL
        SELECT b.ts, b.event_key, b.value FROM register_base b
        WHERE $4::timestamptz IS NULL AND b.channel_id = sent.channel_id
          AND (b.ts, b.event_key) < (sent.ts, sent.event_key)) AS either
    ORDER BY either.ts DESC, either.event_key DESC
    LIMIT 1) AS before
