-- enroll.use_token: one more device; no row where the token is used up or not good any more
UPDATE enrollment_token
SET uses = uses + 1
WHERE token_id = $1 AND uses < uses_allowed AND revoked_at IS NULL AND expires_at > now()
