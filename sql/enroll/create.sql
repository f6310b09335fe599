-- enroll.create
INSERT INTO enrollment (uuid, provider_id, token_id, device, serial, model, firmware, proves, key_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
