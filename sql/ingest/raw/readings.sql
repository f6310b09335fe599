-- ingest.raw.readings: of some channels ($1), behind a position ($2 instant, $3 channel, $4 event key) and before an
-- instant ($5), of customers that are seen ($7). Each channel gives its first ones from the index, and the first of all of them are the page.
SELECT r.*
FROM unnest($1::integer[]) AS of (channel_id)
CROSS JOIN LATERAL (
    SELECT r.ts, r.channel_id, r.event_key, r.event_id, r.value, r.increment, r.recorded_at
    FROM reading r
    WHERE r.channel_id = of.channel_id AND r.ts >= $2 AND r.ts < $5
      AND (r.ts, r.channel_id, r.event_key) > ($2, $3, $4)
      AND ($7::integer[] IS NULL OR r.customer_id = ANY ($7))
    ORDER BY r.ts, r.event_key
    LIMIT $6) AS r
ORDER BY r.ts, r.channel_id, r.event_key
LIMIT $6
