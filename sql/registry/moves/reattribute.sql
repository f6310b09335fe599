-- moves.reattribute: the readings of these devices from $4 on get the new owner and that owner's billing day
WITH calendar AS MATERIALIZED (
    SELECT customer_id, first_day, since, until, time_zone
    FROM customer_calendars($2::integer[])
    WHERE until > $4)
UPDATE reading r
SET customer_id = m.customer_id,
    group_id = coalesce(m.group_id, 0),
    billing_day = greatest(k.first_day, billing_day(r.ts, k.time_zone))
FROM unnest($1::integer[], $2::integer[], $3::integer[]) AS m (device_id, customer_id, group_id)
JOIN calendar k USING (customer_id)
JOIN channel ch USING (device_id)
WHERE r.channel_id = ch.channel_id
  AND r.ts >= $4
  AND r.ts >= k.since AND r.ts < k.until
  AND (r.customer_id, r.group_id, r.billing_day)
      IS DISTINCT FROM (m.customer_id, coalesce(m.group_id, 0), greatest(k.first_day, billing_day(r.ts, k.time_zone)))
