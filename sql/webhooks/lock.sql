-- webhooks.lock: nobody else changes it until the transaction ends
SELECT webhook_id FROM webhook WHERE provider_id = $1 AND (key::text = $2 OR uuid = $3) FOR NO KEY UPDATE
