-- registers.reviews: of a provider ($1) behind a position ($2), newest first; with one id ($3), in one state ($4), of
-- one device ($5), of one metric ($6) if that is given
SELECT v.review_id, v.channel_id, v.event_key, v.uuid AS id, d.key::text AS device, m.key::text AS metric, m.unit,
       m.scale, c.dimensions, v.ts AS at, v.value, v.kind, v.state, v.trusted_ts, v.trusted_value, v.accepting,
       v.decision, v.increment, v.note, k.uuid AS decided_by, v.decided_at, v.created_at, v.updated_at
FROM review v
JOIN channel c USING (channel_id)
JOIN device d USING (device_id)
JOIN metric m USING (metric_id)
LEFT JOIN api_key k ON k.key_id = v.key_id
WHERE v.provider_id = $1 AND v.review_id < $2
  AND ($3::uuid IS NULL OR v.uuid = $3)
  AND ($4::text IS NULL OR v.state = $4)
  AND ($5::integer IS NULL OR c.device_id = $5)
  AND ($6::integer IS NULL OR c.metric_id = $6)
ORDER BY v.review_id DESC
LIMIT $7
