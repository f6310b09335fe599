-- keys.find
SELECT key_id, scope, provider_id, secret_hash
FROM api_key
WHERE lookup = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
