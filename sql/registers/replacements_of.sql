-- registers.replacements_of: of a device ($1) as the API shows them, oldest first, behind a position ($2, $3); of one
-- channel and instant ($4, $5), or with one id ($6), if that is given; of the time in
-- which customers that are seen ($8) owned the device
SELECT p.replacement_id, p.channel_id, p.uuid AS id, m.key::text AS metric, m.scale, c.dimensions, p.at,
       p.final_value, p.initial_value, p.note, p.created_at
FROM channel c
JOIN replacement p USING (channel_id)
JOIN metric m USING (metric_id)
WHERE c.device_id = $1 AND (p.at, p.replacement_id) > (coalesce($2, '-infinity'), $3)
  AND ($4::integer IS NULL OR (p.channel_id = $4 AND p.at = $5))
  AND ($6::uuid IS NULL OR p.uuid = $6)
  AND ($8::integer[] IS NULL OR EXISTS (
      SELECT FROM assignment a WHERE a.device_id = $1 AND a.customer_id = ANY ($8) AND a.during @> p.at))
ORDER BY p.at, p.replacement_id
LIMIT $7
