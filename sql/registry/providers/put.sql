-- providers.put: by key ($1), made when it is new with the id $3; or by id ($2), which must be there
WITH target (key) AS (
    SELECT $1::text WHERE $1::text IS NOT NULL
    UNION ALL
    SELECT key FROM provider WHERE uuid = $2)
INSERT INTO provider AS p (uuid, key, name, time_zone)
SELECT $3, key, $4, $5 FROM target
ON CONFLICT ON CONSTRAINT provider_key_key DO UPDATE
SET name = excluded.name,
    time_zone = excluded.time_zone,
    updated_at = CASE WHEN (p.name, p.time_zone) IS DISTINCT FROM (excluded.name, excluded.time_zone)
                      THEN now() ELSE p.updated_at END
RETURNING xmax = 0 AS created, provider_id, uuid AS id, key::text, name, time_zone::text, created_at, updated_at
