-- profiles.of_applicant: the profile that will hold for a device that waits for approval, by its API key ($2). No row where
-- there is none.
SELECT p.uuid AS id, p.key::text, p.version, p.definition
FROM enrollment e
LEFT JOIN device d ON d.provider_id = e.provider_id AND d.key = e.device
JOIN profile p ON p.profile_id = coalesce(d.profile_id, recognising_profile(e.provider_id, e.model, e.firmware))
WHERE e.provider_id = $1 AND e.key_id = $2
