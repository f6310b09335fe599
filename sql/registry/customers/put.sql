-- customers.put: by key ($2), made when it is new with the id $4; or by id ($3), which must be there
WITH target (key) AS (
    SELECT $2::text WHERE $2::text IS NOT NULL
    UNION ALL
    SELECT key FROM customer WHERE provider_id = $1 AND uuid = $3)
INSERT INTO customer AS c (uuid, provider_id, key, name, parent_id, time_zone)
SELECT $4, $1, key, $5, $6, $7 FROM target
ON CONFLICT ON CONSTRAINT customer_key_key DO UPDATE
SET name = excluded.name,
    parent_id = excluded.parent_id,
    time_zone = excluded.time_zone,
    updated_at = CASE WHEN (c.name, c.parent_id, c.time_zone)
                           IS DISTINCT FROM (excluded.name, excluded.parent_id, excluded.time_zone)
                      THEN now() ELSE c.updated_at END
RETURNING xmax = 0 AS created
