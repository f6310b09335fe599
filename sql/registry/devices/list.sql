-- devices.list: by key, behind $2; those of the kind $3; those with the pattern $4 in key or name; in service or
-- retired ($5). The page is cut before its devices' owners are looked up.
WITH page AS MATERIALIZED (
    SELECT d.*
    FROM device d
    WHERE d.provider_id = $1
      AND d.key::text > coalesce($2, '')
      AND ($3::text IS NULL OR d.kind = $3)
      AND ($4::text IS NULL OR d.key::text ILIKE $4 OR d.name ILIKE $4)
      AND ($5::boolean IS NULL OR (d.retired_at IS NOT NULL) = $5)
    ORDER BY d.key::text
    LIMIT $6)
SELECT d.device_id, d.uuid AS id, d.key::text, d.name, d.kind, c.key::text AS customer, g.key::text AS "group",
       d.model, d.firmware, d.serial, p.key::text AS profile, d.retired_at, d.created_at, d.updated_at
FROM page d
JOIN assignment a ON a.device_id = d.device_id
                 AND CASE WHEN d.retired_at IS NULL THEN upper_inf(a.during) ELSE upper(a.during) = d.retired_at END
JOIN customer c ON c.customer_id = a.customer_id
LEFT JOIN device_group g ON g.group_id = a.group_id
LEFT JOIN profile p ON p.profile_id = d.profile_id
ORDER BY d.key::text
