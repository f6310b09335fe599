-- trees.customers: the customer $2 and all below it; without $2 all of the provider $1
SELECT c.customer_id, c.parent_id, c.uuid AS id, c.key::text, c.name, c.time_zone::text,
       coalesce(z.from_days, '{}') AS from_days, coalesce(z.time_zones, '{}') AS time_zones
FROM customer c
LEFT JOIN (
    SELECT customer_id, array_agg(from_day ORDER BY from_day) AS from_days,
           array_agg(time_zone::text ORDER BY from_day) AS time_zones
    FROM customer_time_zone
    GROUP BY customer_id) AS z USING (customer_id)
WHERE c.provider_id = $1 AND ($2::integer IS NULL OR c.customer_id IN (SELECT customer_subtree($2)))
ORDER BY c.key::text
