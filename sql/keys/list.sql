-- keys.list
SELECT k.uuid AS id, k.scope, p.key::text AS provider, k.name, k.created_at, k.expires_at, k.revoked_at, k.rate, k.burst
FROM api_key k
LEFT JOIN provider p USING (provider_id)
WHERE $1::integer IS NULL OR k.provider_id = $1
ORDER BY k.key_id
