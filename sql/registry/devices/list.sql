-- devices.list: by key, behind $2; those of the customer $3, in the group $4, of the kind $5; those with the pattern $6
-- in key or name; in service or retired ($7)
SELECT d.device_id, d.uuid AS id, d.key::text, d.name, d.kind, c.key::text AS customer, g.key::text AS "group",
       d.retired_at, d.created_at, d.updated_at
FROM device d
JOIN assignment a ON a.device_id = d.device_id AND upper(a.during) IS NOT DISTINCT FROM d.retired_at
JOIN customer c ON c.customer_id = a.customer_id
LEFT JOIN device_group g ON g.group_id = a.group_id
WHERE d.provider_id = $1
  AND d.key::text > coalesce($2, '')
  AND ($3::integer IS NULL OR a.customer_id = $3)
  AND ($4::integer IS NULL OR a.group_id = $4)
  AND ($5::text IS NULL OR d.kind = $5)
  AND ($6::text IS NULL OR d.key::text ILIKE $6 OR d.name ILIKE $6)
  AND ($7::boolean IS NULL OR (d.retired_at IS NOT NULL) = $7)
ORDER BY d.key::text
LIMIT $8
