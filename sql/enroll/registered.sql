-- enroll.registered: a device in service, as it is described and owned
SELECT d.name, d.kind, a.customer_id, a.group_id, d.model, d.firmware, d.serial, d.profile_id
FROM device d
JOIN assignment a ON a.device_id = d.device_id AND upper_inf(a.during)
WHERE d.provider_id = $1 AND d.key::text = $2 AND d.retired_at IS NULL
