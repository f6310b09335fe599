-- groups.get: among those of customers that are seen ($2)
SELECT g.group_id, g.uuid AS id, g.key::text, g.name, g.kind, c.key::text AS customer, g.created_at, g.updated_at
FROM device_group g
JOIN customer c USING (customer_id)
WHERE g.provider_id = $1
  AND ($2::integer[] IS NULL OR g.customer_id = ANY ($2))
  AND (g.key::text = $3 OR g.uuid = $4)
