-- alerts.reviews: of customers ($2), groups ($4) and devices ($6), each set with a label, how many reviews are open, by
-- metric: of the provider $1, and of whoever had the device at the instant of the reading
WITH open AS MATERIALIZED (
    SELECT c.metric_id, a.customer_id, a.group_id, a.device_id
    FROM review v
    JOIN channel c USING (channel_id)
    JOIN assignment a ON a.device_id = c.device_id AND a.during @> v.ts
    WHERE v.provider_id = $1 AND v.state = 'open')
SELECT label, metric_id, count(*) AS open
FROM (SELECT s.label, o.metric_id
      FROM unnest($3::integer[], $2::integer[]) AS s (label, customer_id) JOIN open o USING (customer_id)
      UNION ALL
      SELECT s.label, o.metric_id
      FROM unnest($5::integer[], $4::integer[]) AS s (label, group_id) JOIN open o USING (group_id)
      UNION ALL
      SELECT s.label, o.metric_id
      FROM unnest($7::integer[], $6::integer[]) AS s (label, device_id) JOIN open o USING (device_id)) AS found
GROUP BY label, metric_id
