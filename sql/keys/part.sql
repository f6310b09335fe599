-- keys.part: the number of the customer, group or device ($2) of the provider $1 that the key $3 or the id $4 names
SELECT id
FROM (
    SELECT 'customer' AS what, customer_id AS id, key::text AS key, uuid FROM customer WHERE provider_id = $1
    UNION ALL
    SELECT 'group', group_id, key::text, uuid FROM device_group WHERE provider_id = $1
    UNION ALL
    SELECT 'device', device_id, key::text, uuid FROM device WHERE provider_id = $1) AS part
WHERE what = $2 AND (key = $3 OR uuid = $4)
