-- keys.certify: another certificate of an API key ($1), which is locked; of those before it the last two stay
WITH gone AS (
    DELETE FROM issued_certificate
    WHERE certificate_id IN (
        SELECT certificate_id FROM issued_certificate WHERE key_id = $1 ORDER BY certificate_id DESC OFFSET 2))
INSERT INTO issued_certificate (key_id, fingerprint, public_key, pem, issued_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
