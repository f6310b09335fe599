-- keys.create
INSERT INTO api_key (uuid, provider_id, scope, customer_id, group_id, device_id, name, lookup, secret_hash, expires_at, rate,
                     burst, applicant, certificate_fingerprint, certificate_subject)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
