-- devices.list_owned: as devices.list, of customers that are seen ($2), of the customer $8, in the group $9: begins with what those own or owned
WITH owned AS MATERIALIZED (
    SELECT device_id, customer_id, group_id, during
    FROM assignment
    WHERE provider_id = $1
      AND ($2::integer[] IS NULL OR customer_id = ANY ($2))
      AND ($8::integer IS NULL OR customer_id = $8)
      AND ($9::integer IS NULL OR group_id = $9))
SELECT d.device_id, d.uuid AS id, d.key::text, d.name, d.kind, c.key::text AS customer, g.key::text AS "group",
       d.model, d.firmware, d.serial, p.key::text AS profile, d.retired_at, d.created_at, d.updated_at
FROM owned a
JOIN device d ON d.device_id = a.device_id
             AND CASE WHEN d.retired_at IS NULL THEN upper_inf(a.during) ELSE upper(a.during) = d.retired_at END
JOIN customer c ON c.customer_id = a.customer_id
LEFT JOIN device_group g ON g.group_id = a.group_id
LEFT JOIN profile p ON p.profile_id = d.profile_id
WHERE d.key::text > coalesce($3, '')
  AND ($4::text IS NULL OR d.kind = $4)
  AND ($5::text IS NULL OR d.key::text ILIKE $5 OR d.name ILIKE $5)
  AND ($6::boolean IS NULL OR (d.retired_at IS NOT NULL) = $6)
ORDER BY d.key::text
LIMIT $7
