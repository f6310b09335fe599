-- keys.revoke
UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE uuid = $1
