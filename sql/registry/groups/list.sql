-- groups.list: of customers that are seen ($2) by key, behind $3; those of the customer $4, of the kind $5
SELECT g.group_id, g.uuid AS id, g.key::text, g.name, g.kind, c.key::text AS customer, g.created_at, g.updated_at
FROM device_group g
JOIN customer c USING (customer_id)
WHERE g.provider_id = $1
  AND ($2::integer[] IS NULL OR g.customer_id = ANY ($2))
  AND g.key::text > coalesce($3, '')
  AND ($4::integer IS NULL OR g.customer_id = $4)
  AND ($5::text IS NULL OR g.kind = $5)
ORDER BY g.key::text
LIMIT $6
