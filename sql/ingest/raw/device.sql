-- ingest.raw.device: a device by key ($2) or id ($3), and its owner, or its last one
SELECT d.device_id, a.customer_id
FROM device d
LEFT JOIN LATERAL (
    SELECT customer_id FROM assignment
    WHERE device_id = d.device_id AND coalesce(lower(during), '-infinity') <= now()
    ORDER BY coalesce(lower(during), '-infinity') DESC
    LIMIT 1) AS a ON true
WHERE d.provider_id = $1 AND (d.key = $2::text OR d.uuid = $3)
