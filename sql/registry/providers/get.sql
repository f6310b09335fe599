-- providers.get: by key ($1) or id ($2); for callers of one provider only that one ($3)
SELECT provider_id, uuid AS id, key::text, name, time_zone::text, created_at, updated_at
FROM provider
WHERE (key::text = $1 OR uuid = $2) AND ($3::integer IS NULL OR provider_id = $3)
