-- time_zones.begin: from the day $2 on the customer has the time zone $3, where it was not its own already
INSERT INTO customer_time_zone (customer_id, from_day, time_zone)
SELECT c.customer_id, $2, $3::text
FROM customer c
WHERE c.customer_id = $1
  AND $3::text IS DISTINCT FROM coalesce(
      (SELECT z.time_zone::text FROM customer_time_zone z
       WHERE z.customer_id = c.customer_id AND z.from_day < $2
       ORDER BY z.from_day DESC
       LIMIT 1), c.time_zone::text)
ON CONFLICT ON CONSTRAINT customer_time_zone_pkey DO NOTHING
