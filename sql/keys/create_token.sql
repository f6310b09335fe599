-- keys.create_token: a token ($1 id) that reads a customer ($4), made with a key ($2), good for a number of seconds ($7)
INSERT INTO portal_token (uuid, key_id, provider_id, customer_id, lookup, secret_hash, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
