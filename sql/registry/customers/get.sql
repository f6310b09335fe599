-- customers.get
SELECT c.customer_id, c.uuid AS id, c.key::text, c.name, above.key::text AS parent, c.time_zone::text,
       customer_time_zone(c.customer_id) AS billing_time_zone, c.created_at, c.updated_at
FROM customer c
LEFT JOIN customer above ON above.customer_id = c.parent_id
WHERE c.provider_id = $1 AND (c.key::text = $2 OR c.uuid = $3)
