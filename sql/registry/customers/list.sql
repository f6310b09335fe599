-- customers.list: by key, behind $2; those directly below $3; those with the pattern $4 in key or name
SELECT c.customer_id, c.uuid AS id, c.key::text, c.name, above.key::text AS parent, c.time_zone::text,
       customer_time_zone(c.customer_id) AS billing_time_zone, c.created_at, c.updated_at
FROM customer c
LEFT JOIN customer above ON above.customer_id = c.parent_id
WHERE c.provider_id = $1
  AND c.key::text > coalesce($2, '')
  AND ($3::integer IS NULL OR c.parent_id = $3)
  AND ($4::text IS NULL OR c.key::text ILIKE $4 OR c.name ILIKE $4)
ORDER BY c.key::text
LIMIT $5
