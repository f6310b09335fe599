-- time_zones.own: what was said of the customer $1 itself, oldest first
SELECT NULL::date AS "from", time_zone::text FROM customer WHERE customer_id = $1 AND time_zone IS NOT NULL
UNION ALL
SELECT from_day, time_zone::text FROM customer_time_zone WHERE customer_id = $1
ORDER BY 1 NULLS FIRST
