-- verify.increments: readings of [$1, $2) that add something else than they should: a delta its value, a gauge nothing.
-- What registers add is for verify.registers.compare.
SELECT 'reading' AS name, r.ts AS at, r.billing_day AS billing,
       p.key::text AS provider, o.key::text AS customer, g.key::text AS "group",
       v.key::text AS device, m.key::text AS metric, c.dimensions,
       ARRAY[r.increment::text] AS kept,
       ARRAY[CASE m.kind WHEN 'delta' THEN r.value ELSE 0 END::text] AS should,
       false AS pending
FROM reading r
JOIN channel c USING (channel_id)
JOIN metric m USING (metric_id)
JOIN device v USING (device_id)
JOIN provider p ON p.provider_id = c.provider_id
LEFT JOIN customer o ON o.customer_id = r.customer_id
LEFT JOIN device_group g ON g.group_id = r.group_id
WHERE r.ts >= $1 AND r.ts < $2
  AND ($3::integer[] IS NULL OR r.channel_id = ANY ($3))
  AND (($4::integer[] IS NULL AND $5::integer[] IS NULL) OR r.customer_id = ANY ($4) OR r.group_id = ANY ($5))
  AND ($6::integer IS NULL OR c.provider_id = $6)
  AND m.kind IN ('delta', 'gauge')
  AND r.increment <> CASE m.kind WHEN 'delta' THEN r.value ELSE 0 END
