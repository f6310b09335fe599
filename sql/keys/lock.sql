-- keys.lock: nobody else changes the key with the id $1 until the transaction ends
SELECT key_id FROM api_key WHERE uuid = $1 FOR NO KEY UPDATE
