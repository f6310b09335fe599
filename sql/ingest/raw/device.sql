-- ingest.raw.device: a device by key ($2) or id ($3), and the billing time zone of its owner, or of its last one
SELECT d.device_id, coalesce(customer_time_zone(a.customer_id), p.time_zone::text) AS time_zone
FROM device d
JOIN provider p USING (provider_id)
LEFT JOIN LATERAL (
    SELECT customer_id FROM assignment
    WHERE device_id = d.device_id AND coalesce(lower(during), '-infinity') <= now()
    ORDER BY coalesce(lower(during), '-infinity') DESC
    LIMIT 1) AS a ON true
WHERE d.provider_id = $1 AND (d.key = $2::text OR d.uuid = $3)
