-- groups.put: by key ($2), made when it is new with the id $4; or by id ($3), which must be there
WITH target (key) AS (
    SELECT $2::text WHERE $2::text IS NOT NULL
    UNION ALL
    SELECT key FROM device_group WHERE provider_id = $1 AND uuid = $3)
INSERT INTO device_group AS g (uuid, provider_id, key, customer_id, name, kind)
SELECT $4, $1, key, $5, $6, $7 FROM target
ON CONFLICT ON CONSTRAINT device_group_key_key DO UPDATE
SET customer_id = excluded.customer_id,
    name = excluded.name,
    kind = excluded.kind,
    updated_at = CASE WHEN (g.customer_id, g.name, g.kind)
                           IS DISTINCT FROM (excluded.customer_id, excluded.name, excluded.kind)
                      THEN now() ELSE g.updated_at END
RETURNING xmax = 0 AS created
