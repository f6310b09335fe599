-- trees.devices: numbers of devices in service by customer, group and kind; scope as in trees.customers. Most devices are of the
-- kind `device`: only others are looked up, and these are what is left
WITH held AS (
    SELECT customer_id, group_id, count(*) AS number
    FROM assignment
    WHERE provider_id = $1
      AND upper_inf(during)
      AND ($2::integer IS NULL OR customer_id IN (SELECT customer_subtree($2)))
    GROUP BY customer_id, group_id
), other AS (
    SELECT a.customer_id, a.group_id, d.kind, count(*) AS number
    FROM device d
    JOIN assignment a USING (device_id)
    WHERE d.provider_id = $1
      AND d.kind <> 'device'
      AND upper_inf(a.during)
      AND ($2::integer IS NULL OR a.customer_id IN (SELECT customer_subtree($2)))
    GROUP BY a.customer_id, a.group_id, d.kind
), others AS (
    SELECT customer_id, group_id, sum(number)::bigint AS number FROM other GROUP BY customer_id, group_id
)
SELECT customer_id, group_id, kind, number FROM other
UNION ALL
SELECT h.customer_id, h.group_id, 'device', h.number - coalesce(o.number, 0)
FROM held h
LEFT JOIN others o ON o.customer_id = h.customer_id AND o.group_id IS NOT DISTINCT FROM h.group_id
WHERE h.number > coalesce(o.number, 0)
