-- keys.create_session: of the key or token $4, the key with the secret $5; good for a number of seconds ($6)
INSERT INTO browser_session (uuid, lookup, secret_hash, key_id, token_id, shown_hash, expires_at)
SELECT $1, $2, $3, key_id, token_id, CASE WHEN key_id IS NOT NULL THEN $5 END, now() + make_interval(secs => $6)
FROM (
    SELECT key_id, NULL::bigint AS token_id FROM api_key WHERE lookup = $4
    UNION ALL
    SELECT NULL, token_id FROM portal_token WHERE lookup = $4) AS shown
