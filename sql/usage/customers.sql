-- usage.customers: a provider's customers from the top down, each with the billing time zone it has or inherits
WITH RECURSIVE tree (customer_id, parent_id, uuid, key, time_zone) AS (
    SELECT c.customer_id, c.parent_id, c.uuid, c.key::text, coalesce(c.time_zone, p.time_zone)::text
    FROM customer c
    JOIN provider p USING (provider_id)
    WHERE c.provider_id = $1 AND c.parent_id IS NULL
    UNION ALL
    SELECT c.customer_id, c.parent_id, c.uuid, c.key::text, coalesce(c.time_zone::text, t.time_zone)
    FROM tree t
    JOIN customer c ON c.parent_id = t.customer_id)
SELECT customer_id, parent_id, uuid, key, time_zone FROM tree
