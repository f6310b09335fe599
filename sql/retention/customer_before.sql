-- retention.customer_before: whether a device that the customer $1 owned before $2, or one of those below that inherit
-- its time zone, has or had readings before $2
WITH RECURSIVE inheriting (customer_id) AS (
    SELECT $1::integer
    UNION ALL
    SELECT below.customer_id
    FROM inheriting
    JOIN customer below ON below.parent_id = inheriting.customer_id
    WHERE below.time_zone IS NULL)
SELECT EXISTS (SELECT
               FROM inheriting
               JOIN assignment a USING (customer_id)
               JOIN channel c USING (device_id)
               WHERE coalesce(lower(a.during), '-infinity') < $2 AND coalesce(c.first_ts, '-infinity') < $2)
