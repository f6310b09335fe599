-- The day on which billing months of the customer c begin: its own, or that of the nearest above it, or 1.
WITH RECURSIVE line (parent_id, billing_anchor, distance) AS (
    SELECT c.parent_id, c.billing_anchor, 0
    UNION ALL
    SELECT up.parent_id, up.billing_anchor, line.distance + 1
    FROM line JOIN customer AS up ON up.customer_id = line.parent_id
    WHERE line.billing_anchor IS NULL)
SELECT coalesce(line.billing_anchor, 1) FROM line ORDER BY line.distance DESC LIMIT 1
