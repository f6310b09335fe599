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
-- Each LIMIT 1 keeps this a walk that stops at the first reading.
CROSS JOIN LATERAL (
    SELECT
    FROM assignment a
    JOIN channel ch USING (device_id)
    -- Readings stay with an owner until the next one: also those of a clock ahead of the device's retirement.
    CROSS JOIN LATERAL (
        SELECT min(lower(later.during)) AS begins
        FROM assignment later
        WHERE later.device_id = a.device_id AND later.during >> a.during) AS next
    CROSS JOIN LATERAL (
        SELECT FROM reading r
        WHERE r.channel_id = ch.channel_id
          AND r.customer_id = a.customer_id
          AND r.ts >= coalesce(lower(a.during), '-infinity')
          AND r.ts < coalesce(next.begins, 'infinity')
        UNION ALL
        -- Where readings are no longer kept, their figures are.
        SELECT FROM kept_from k
        WHERE k.relation = 'reading' AND coalesce(lower(a.during), '-infinity') < k.since AND ch.first_ts < k.since
        LIMIT 1) AS first_found
    WHERE a.customer_id = c.customer_id
    LIMIT 1) AS billed
LIMIT 1
