-- trees.devices: numbers of devices in service by customer, group and kind; scope as in trees.customers
SELECT a.customer_id, a.group_id, d.kind, count(*) AS number
FROM assignment a
JOIN device d USING (device_id)
WHERE a.provider_id = $1
  AND upper_inf(a.during)
  AND ($2::integer IS NULL OR a.customer_id IN (SELECT customer_subtree($2)))
GROUP BY a.customer_id, a.group_id, d.kind
