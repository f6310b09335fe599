-- profiles.list: by key, behind $2
SELECT uuid AS id, key::text, version, name, definition, created_at, updated_at
FROM profile
WHERE provider_id = $1 AND key::text > coalesce($2, '')
ORDER BY key::text
LIMIT $3
