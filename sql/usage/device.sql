-- usage.device: one device whose owner is seen ($2), with the customers that own or owned it, as far as they are seen, and
-- the one that owns it now or owned it last
SELECT d.device_id, d.key::text,
       array(SELECT DISTINCT a.customer_id FROM assignment a
             WHERE a.device_id = d.device_id AND ($2::integer[] IS NULL OR a.customer_id = ANY ($2))) AS customers,
       owner.customer_id AS owner
FROM device d
LEFT JOIN LATERAL (
    SELECT a.customer_id FROM assignment a
    WHERE a.device_id = d.device_id AND coalesce(lower(a.during), '-infinity') <= now()
    ORDER BY lower(a.during) DESC NULLS LAST
    LIMIT 1) AS owner ON true
WHERE d.provider_id = $1
  AND ($2::integer[] IS NULL OR owner.customer_id = ANY ($2))
  AND (d.key::text = $3 OR d.uuid = $4)
