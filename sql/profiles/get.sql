-- profiles.get: the version that holds, or version $4
SELECT p.uuid AS id, p.key::text, v.version, v.name, v.definition, p.created_at, v.created_at AS updated_at
FROM profile p
JOIN profile_version v ON v.profile_id = p.profile_id AND v.version = coalesce($4, p.version)
WHERE p.provider_id = $1 AND (p.key::text = $2 OR p.uuid = $3)
