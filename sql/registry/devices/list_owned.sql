-- devices.list_owned: as devices.list, of the customer $7, in the group $8: begins with what those own or owned
WITH owned AS MATERIALIZED (
    SELECT device_id, customer_id, group_id, during
    FROM assignment
    WHERE provider_id = $1
      AND ($7::integer IS NULL OR customer_id = $7)
      AND ($8::integer IS NULL OR group_id = $8))
SELECT d.device_id, d.uuid AS id, d.key::text, d.name, d.kind, c.key::text AS customer, g.key::text AS "group",
       d.retired_at, d.created_at, d.updated_at
FROM owned a
JOIN device d ON d.device_id = a.device_id
             AND CASE WHEN d.retired_at IS NULL THEN upper_inf(a.during) ELSE upper(a.during) = d.retired_at END
JOIN customer c ON c.customer_id = a.customer_id
LEFT JOIN device_group g ON g.group_id = a.group_id
WHERE d.key::text > coalesce($2, '')
  AND ($3::text IS NULL OR d.kind = $3)
  AND ($4::text IS NULL OR d.key::text ILIKE $4 OR d.name ILIKE $4)
  AND ($5::boolean IS NULL OR (d.retired_at IS NOT NULL) = $5)
ORDER BY d.key::text
LIMIT $6
