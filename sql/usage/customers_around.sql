-- usage.customers_around: one customer ($3 key, $4 id) among those that are seen ($2) with all below it, or some alone ($5; with
-- $6 also some that have between them all billing calendars there are), and those above them, from the top down; else as
-- usage.customers
WITH RECURSIVE named AS (
    SELECT customer_id, parent_id
    FROM customer
    WHERE provider_id = $1
      AND ($2::integer[] IS NULL OR customer_id = ANY ($2))
      AND (key::text = $3 OR uuid = $4 OR customer_id = ANY ($5::integer[])
           OR $6 AND customer_id IN (
               SELECT z.customer_id FROM customer_time_zone AS z
               UNION ALL
               -- Of those whose zone never changed one for each zone; none: the provider's, where nobody is above.
               SELECT min(c.customer_id)
               FROM customer AS c
               WHERE c.provider_id = $1 AND (c.time_zone IS NOT NULL OR c.parent_id IS NULL)
                 AND NOT EXISTS (SELECT FROM customer_time_zone AS z WHERE z.customer_id = c.customer_id)
               GROUP BY c.time_zone))),
above (customer_id, parent_id, distance) AS (
    SELECT customer_id, parent_id, 0 FROM named
    UNION ALL
    SELECT c.customer_id, c.parent_id, a.distance - 1
    FROM above a
    JOIN customer c ON c.customer_id = a.parent_id),
below (customer_id, distance) AS (
    SELECT customer_id, 0 FROM named
    UNION ALL
    SELECT c.customer_id, b.distance + 1
    FROM below b
    JOIN customer c ON c.parent_id = b.customer_id
    WHERE $5::integer[] IS NULL),
-- Several may have the same one above them, at several distances: it comes before all that it is above.
tree AS (
    SELECT customer_id, min(distance) AS distance
    FROM (SELECT customer_id, distance FROM above UNION ALL SELECT customer_id, distance FROM below) AS found
    GROUP BY customer_id)
SELECT c.customer_id, c.parent_id, c.uuid, c.key::text, c.time_zone::text, c.billing_anchor::bigint,
       coalesce(z.from_days, '{}') AS from_days, coalesce(z.time_zones, '{}') AS time_zones
FROM tree t
JOIN customer c USING (customer_id)
CROSS JOIN LATERAL (
    SELECT array_agg(from_day ORDER BY from_day) AS from_days,
           array_agg(time_zone::text ORDER BY from_day) AS time_zones
    FROM customer_time_zone
    WHERE customer_id = c.customer_id) AS z
ORDER BY t.distance
