-- providers.list: by key, behind $1; for callers of one provider only that one ($2)
SELECT provider_id, uuid AS id, key::text, name, time_zone::text, created_at, updated_at
FROM provider
WHERE key::text > coalesce($1, '') AND ($2::integer IS NULL OR provider_id = $2)
ORDER BY key::text
LIMIT $3
