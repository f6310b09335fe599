-- ingest.assignments: who owned the devices ($1) when, cut where the time zone changes in which the owner is billed;
-- first_day is none where the owner's calendar has no start
WITH owned AS MATERIALIZED (
    SELECT device_id, customer_id, coalesce(group_id, 0) AS group_id,
           coalesce(lower(during), '-infinity') AS since, coalesce(upper(during), 'infinity') AS until
    FROM assignment
    WHERE device_id = ANY ($1::integer[])),
calendar AS MATERIALIZED (
    SELECT customer_id, first_day, since, until, time_zone
    FROM customer_calendars(ARRAY(SELECT DISTINCT customer_id FROM owned)))
SELECT o.device_id, o.customer_id, o.group_id,
       nullif(greatest(o.since, k.since), '-infinity') AS since,
       nullif(least(o.until, k.until), 'infinity') AS until,
       nullif(k.first_day, '-infinity') AS first_day,
       k.time_zone
FROM owned o
JOIN calendar k ON k.customer_id = o.customer_id AND k.since < o.until AND o.since < k.until
