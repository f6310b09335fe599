-- keys.rotate: a good key that has a text gets another secret, and the one before stays good for a number of seconds ($3)
UPDATE api_key
SET secret_hash = $2, previous_hash = secret_hash, previous_until = now() + make_interval(secs => $3), rotated_at = now()
WHERE key_id = $1 AND num_nonnulls(certificate_fingerprint, certificate_subject) = 0 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
