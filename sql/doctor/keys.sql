-- doctor.keys: good admin keys, and good keys that end within 14 days
SELECT count(*) FILTER (WHERE scope = 'admin') AS admin,
       count(*) FILTER (WHERE expires_at < now() + interval '14 days') AS ending
FROM api_key
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
