-- enroll.state: how far the enrollment of the device is that has an API key ($2), and the profile that holds for it
SELECT e.state, e.device::text, p.key::text AS profile
FROM enrollment e
JOIN api_key k USING (key_id)
LEFT JOIN device d ON d.device_id = k.device_id
LEFT JOIN profile p ON p.profile_id = coalesce(d.profile_id, recognising_profile(d.provider_id, d.model, d.firmware))
WHERE e.provider_id = $1 AND e.key_id = $2
