-- Data as version 20 of the schema holds it: a certificate that a device got.
INSERT INTO issued_certificate (key_id, fingerprint, public_key, pem, issued_at, expires_at)
SELECT key_id, decode(repeat('01', 32), 'hex'), decode(repeat('02', 32), 'hex'), '-----BEGIN CERTIFICATE-----',
       '2026-03-01T00:00:00Z', '2026-06-01T00:00:00Z'
FROM api_key
WHERE lookup = 'lookup-152';
