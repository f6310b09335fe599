-- providers.get
SELECT uuid AS id, key::text, name, time_zone::text, created_at, updated_at
FROM provider
WHERE key = $1::text OR uuid = $2
