-- keys.limit
UPDATE api_key SET rate = $2, burst = $3 WHERE uuid = $1
