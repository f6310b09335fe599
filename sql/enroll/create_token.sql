-- enroll.create_token
INSERT INTO enrollment_token (uuid, provider_id, customer_id, group_id, name, lookup, secret_hash, approval, uses_allowed,
                              expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
