-- time_zones.billed_below: a customer with readings among the customer $2 and those below that inherit its time zone;
-- without $2, among all of the provider $1 that inherit the provider's
WITH RECURSIVE inheriting (customer_id) AS (
    SELECT customer_id
    FROM customer
    WHERE CASE WHEN $2::integer IS NULL THEN provider_id = $1 AND parent_id IS NULL AND time_zone IS NULL
               ELSE customer_id = $2 END
    UNION ALL
    SELECT below.customer_id
    FROM inheriting
    JOIN customer below ON below.parent_id = inheriting.customer_id
    WHERE below.time_zone IS NULL)
SELECT c.key::text
FROM inheriting
JOIN customer c USING (customer_id)
WHERE EXISTS (
    SELECT
    FROM assignment a
    JOIN channel ch ON ch.device_id = a.device_id
    -- Readings of a customer begin with an assignment, but can end after it: those from the future of a device that
    -- was retired. LIMIT keeps this a walk along the index that stops at the first.
    CROSS JOIN LATERAL (
        SELECT FROM reading r
        WHERE r.channel_id = ch.channel_id
          AND r.customer_id = a.customer_id
          AND r.ts >= coalesce(lower(a.during), '-infinity')
        LIMIT 1) AS billed
    WHERE a.customer_id = c.customer_id)
LIMIT 1
