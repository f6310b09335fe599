-- moves.begin: the new owner from $5 on, where the assignment before was not simply extended
INSERT INTO assignment (provider_id, device_id, customer_id, group_id, during)
SELECT $1, m.device_id, m.customer_id, m.group_id, tstzrange($5, NULL)
FROM unnest($2::integer[], $3::integer[], $4::integer[]) AS m (device_id, customer_id, group_id)
WHERE NOT EXISTS (SELECT FROM assignment a WHERE a.device_id = m.device_id AND upper_inf(a.during))
