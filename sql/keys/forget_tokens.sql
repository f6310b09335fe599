-- keys.forget_tokens: some tokens that have ended a day ago or earlier
DELETE FROM portal_token
WHERE token_id IN (
    SELECT token_id FROM portal_token
    WHERE expires_at < now() - interval '1 day'
    ORDER BY expires_at
    LIMIT 100
    FOR UPDATE SKIP LOCKED)
