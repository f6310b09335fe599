-- customers.put: by key ($2), made when it is new with the id $4; or by id ($3), which must be there. $8: the time zone
-- stays as it is
WITH target (key) AS (
    SELECT $2::text WHERE $2::text IS NOT NULL
    UNION ALL
    SELECT key FROM customer WHERE provider_id = $1 AND uuid = $3)
INSERT INTO customer AS c (uuid, provider_id, key, name, parent_id, time_zone, billing_anchor)
SELECT $4, $1, key, $5, $6, $7, $9::bigint FROM target
ON CONFLICT ON CONSTRAINT customer_key_key DO UPDATE
SET name = excluded.name,
    parent_id = excluded.parent_id,
    time_zone = CASE WHEN $8 THEN c.time_zone ELSE excluded.time_zone END,
    billing_anchor = excluded.billing_anchor,
    updated_at = CASE WHEN $8 AND (c.name, c.parent_id, c.billing_anchor)
                                  IS NOT DISTINCT FROM (excluded.name, excluded.parent_id, excluded.billing_anchor)
                      THEN c.updated_at ELSE now() END
RETURNING xmax = 0 AS created
