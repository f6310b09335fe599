-- providers.list: by key, behind $1
SELECT uuid AS id, key::text, name, time_zone::text, created_at, updated_at
FROM provider
WHERE $1::text IS NULL OR key::text > $1
ORDER BY key::text
LIMIT $2
