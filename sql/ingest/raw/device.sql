-- ingest.raw.device: a device of a customer that is seen ($2) by key ($3) or id ($4), and its owner, or its last one
SELECT d.device_id, a.customer_id
FROM device d
LEFT JOIN LATERAL (
    SELECT customer_id FROM assignment
    WHERE device_id = d.device_id AND coalesce(lower(during), '-infinity') <= now()
    ORDER BY coalesce(lower(during), '-infinity') DESC
    LIMIT 1) AS a ON true
WHERE d.provider_id = $1
  AND ($2::integer[] IS NULL OR a.customer_id = ANY ($2))
  AND (d.key = $3::text OR d.uuid = $4)
