-- moves.reattribute: the readings of these devices from $4 on get the new owner and that owner's billing day
WITH zone AS MATERIALIZED (
    SELECT customer_id, customer_time_zone(customer_id) AS time_zone
    FROM (SELECT DISTINCT customer_id FROM unnest($2::integer[]) AS m (customer_id)) AS m)
UPDATE reading r
SET customer_id = m.customer_id,
    group_id = coalesce(m.group_id, 0),
    billing_day = billing_day(r.ts, zone.time_zone)
FROM unnest($1::integer[], $2::integer[], $3::integer[]) AS m (device_id, customer_id, group_id)
JOIN zone USING (customer_id)
JOIN channel ch USING (device_id)
WHERE r.channel_id = ch.channel_id
  AND r.ts >= $4
  AND (r.customer_id, r.group_id, r.billing_day)
      IS DISTINCT FROM (m.customer_id, coalesce(m.group_id, 0), billing_day(r.ts, zone.time_zone))
