-- groups.list: by key, behind $2; those of the customer $3, of the kind $4
SELECT g.group_id, g.uuid AS id, g.key::text, g.name, g.kind, c.key::text AS customer, g.created_at, g.updated_at
FROM device_group g
JOIN customer c USING (customer_id)
WHERE g.provider_id = $1
  AND g.key::text > coalesce($2, '')
  AND ($3::integer IS NULL OR g.customer_id = $3)
  AND ($4::text IS NULL OR g.kind = $4)
ORDER BY g.key::text
LIMIT $5
