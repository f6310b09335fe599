-- keys.certified: an API key ($1), which nobody else changes until the transaction ends, and the last certificate that it got for
-- a public key ($2), nulls where it got none
SELECT k.uuid AS id, c.pem, c.issued_at, c.expires_at
FROM api_key k
LEFT JOIN LATERAL (
    SELECT pem, issued_at, expires_at
    FROM issued_certificate
    WHERE key_id = k.key_id AND public_key = $2
    ORDER BY certificate_id DESC
    LIMIT 1) c ON true
WHERE k.key_id = $1
FOR NO KEY UPDATE OF k
