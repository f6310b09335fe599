-- time_zones.restamp: the readings, from the instant $2 on, of the customer $1 and of those below it that inherit from it
-- get the billing days of their calendars
WITH RECURSIVE inheriting (customer_id) AS (
    SELECT $1::integer
    UNION ALL
    SELECT below.customer_id
    FROM inheriting
    JOIN customer below ON below.parent_id = inheriting.customer_id
    WHERE below.time_zone IS NULL),
calendar AS MATERIALIZED (
    SELECT customer_id, first_day, since, until, time_zone
    FROM customer_calendars(ARRAY(SELECT customer_id FROM inheriting))
    WHERE until > $2),
-- Also devices that have moved on or are retired.
owned AS MATERIALIZED (
    SELECT DISTINCT ch.channel_id, a.customer_id
    FROM inheriting
    JOIN assignment a USING (customer_id)
    JOIN channel ch USING (device_id))
UPDATE reading r
SET billing_day = greatest(k.first_day, billing_day(r.ts, k.time_zone))
FROM owned o
JOIN calendar k USING (customer_id)
WHERE r.channel_id = o.channel_id
  AND r.customer_id = o.customer_id
  AND r.ts >= $2
  AND r.ts >= k.since AND r.ts < k.until
  AND r.billing_day IS DISTINCT FROM greatest(k.first_day, billing_day(r.ts, k.time_zone))
