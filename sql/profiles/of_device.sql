-- profiles.of_device: a device with the profile that it names, or else the one that recognises its model and firmware. Also
-- what was counted of changes of configurations when this was so. It is the device that is named ($3, $4), or the one that
-- the caller's key is bound to ($5); one of customers that the caller sees ($2), and in the group that its key is for ($6).
SELECT d.device_id, d.key::text AS device, p.uuid AS profile_id, p.key::text AS profile, p.version, p.definition,
       coalesce(c.number, 0) AS changes
FROM device d
JOIN assignment a ON a.device_id = d.device_id
                 AND CASE WHEN d.retired_at IS NULL THEN upper_inf(a.during) ELSE upper(a.during) = d.retired_at END
LEFT JOIN profile p ON p.profile_id = coalesce(d.profile_id, recognising_profile(d.provider_id, d.model, d.firmware))
LEFT JOIN config_change c ON c.provider_id = d.provider_id
WHERE d.provider_id = $1
  AND (d.key::text = $3 OR d.uuid = $4 OR ($3 IS NULL AND $4 IS NULL AND d.device_id = $5))
  AND ($5::integer IS NULL OR d.device_id = $5)
  AND ($2::integer[] IS NULL OR a.customer_id = ANY ($2))
  AND ($6::integer IS NULL OR a.group_id = $6)
