-- usage.devices: of customers that are seen ($2) the devices (or, with $8, their kinds) that were in the scope in a time, with their owners then
SELECT CASE WHEN $8 THEN d.kind ELSE d.key::text END AS label, array_agg(DISTINCT a.customer_id) AS customers
FROM assignment a
JOIN device d USING (device_id)
WHERE a.provider_id = $1
  AND ($2::integer[] IS NULL OR a.customer_id = ANY ($2))
  AND ($3::integer[] IS NULL OR a.customer_id = ANY ($3))
  AND ($4::integer IS NULL OR a.group_id = $4)
  AND a.during && tstzrange($5, $6)
GROUP BY 1
ORDER BY 1
LIMIT $7
