-- usage.customers: a provider's customers from the top down, each with what it says itself of its billing calendar: the
-- time zone before its first change, its changes, the day on which its months begin
WITH RECURSIVE tree (customer_id, parent_id, uuid, key, time_zone, billing_anchor, depth) AS (
    SELECT customer_id, parent_id, uuid, key::text, time_zone::text, billing_anchor, 0
    FROM customer
    WHERE provider_id = $1 AND parent_id IS NULL
    UNION ALL
    SELECT c.customer_id, c.parent_id, c.uuid, c.key::text, c.time_zone::text, c.billing_anchor, t.depth + 1
    FROM tree t
    JOIN customer c ON c.parent_id = t.customer_id)
SELECT t.customer_id, t.parent_id, t.uuid, t.key, t.time_zone, t.billing_anchor::bigint,
       coalesce(z.from_days, '{}') AS from_days, coalesce(z.time_zones, '{}') AS time_zones
FROM tree t
LEFT JOIN (
    SELECT customer_id, array_agg(from_day ORDER BY from_day) AS from_days,
           array_agg(time_zone::text ORDER BY from_day) AS time_zones
    FROM customer_time_zone
    GROUP BY customer_id) AS z USING (customer_id)
ORDER BY t.depth
