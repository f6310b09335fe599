-- ingest.above: of each customer ($1), itself and all above it
WITH RECURSIVE above (customer_id, ancestor_id) AS (
    SELECT customer_id, customer_id FROM unnest($1::integer[]) AS customer_id
    UNION ALL
    SELECT a.customer_id, c.parent_id
    FROM above a
    JOIN customer c ON c.customer_id = a.ancestor_id
    WHERE c.parent_id IS NOT NULL)
SELECT customer_id, array_agg(ancestor_id) AS above FROM above GROUP BY customer_id
