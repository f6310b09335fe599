-- quarantine.list: readings of a provider ($1) in quarantine behind a position ($2), with a code ($3), of a device ($4), of
-- a metric ($5), from an instant on ($6), before one ($7) if that is given
SELECT q.quarantine_id, q.device, q.metric, q.ts AS at, q.value, q.event_id, q.dimensions, q.code, q.detail, q.recorded_at,
       k.uuid AS key_id, k.name AS key_name,
       q.bound_key_id IS NOT NULL AS is_bound
FROM quarantine q
LEFT JOIN api_key k USING (key_id)
WHERE q.provider_id = $1 AND q.quarantine_id > $2
  AND ($3::text IS NULL OR q.code = $3)
  AND ($4::text IS NULL OR q.device = $4)
  AND ($5::text IS NULL OR q.metric = $5)
  AND ($6::timestamptz IS NULL OR q.ts >= $6)
  AND ($7::timestamptz IS NULL OR q.ts < $7)
ORDER BY q.quarantine_id
LIMIT $8
