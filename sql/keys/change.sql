-- keys.change
UPDATE api_key SET name = $2, expires_at = $3, rate = $4, burst = $5 WHERE key_id = $1
