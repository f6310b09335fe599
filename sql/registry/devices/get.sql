-- devices.get: among those of customers that are seen ($2), with its owner, or its last one when it is retired
SELECT d.device_id, d.uuid AS id, d.key::text, d.name, d.kind, c.key::text AS customer, g.key::text AS "group",
       d.model, d.firmware, d.serial, p.key::text AS profile, d.retired_at, d.created_at, d.updated_at
FROM device d
JOIN assignment a ON a.device_id = d.device_id
                 AND CASE WHEN d.retired_at IS NULL THEN upper_inf(a.during) ELSE upper(a.during) = d.retired_at END
JOIN customer c ON c.customer_id = a.customer_id
LEFT JOIN device_group g ON g.group_id = a.group_id
LEFT JOIN profile p ON p.profile_id = d.profile_id
WHERE d.provider_id = $1
  AND ($2::integer[] IS NULL OR a.customer_id = ANY ($2))
  AND (d.key::text = $3 OR d.uuid = $4)
