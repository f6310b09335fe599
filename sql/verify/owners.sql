-- verify.owners: whose each channel is when. Readings stay with an owner until the next one: also those of a clock
-- ahead of the device's retirement.
INSERT INTO verify_owner
SELECT c.channel_id, a.since, a.until, a.customer_id, a.group_id
FROM (
    SELECT device_id, customer_id, coalesce(group_id, 0) AS group_id,
           coalesce(lower(during), '-infinity') AS since,
           coalesce(lead(lower(during)) OVER (PARTITION BY device_id ORDER BY during), 'infinity') AS until
    FROM assignment) AS a
JOIN channel c USING (device_id)
