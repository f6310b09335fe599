-- moves.history: the assignments of devices to customers that are seen ($2), each device's oldest first
SELECT a.device_id, c.key::text AS customer, g.key::text AS "group", lower(a.during) AS "from", upper(a.during) AS "to"
FROM assignment a
JOIN customer c ON c.customer_id = a.customer_id
LEFT JOIN device_group g ON g.group_id = a.group_id
WHERE a.device_id = ANY ($1::integer[]) AND ($2::integer[] IS NULL OR a.customer_id = ANY ($2))
ORDER BY a.device_id, lower(a.during) NULLS FIRST
