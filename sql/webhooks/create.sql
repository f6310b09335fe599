-- webhooks.create: no row where there are as many as there may be ($5)
INSERT INTO webhook (provider_id, key, uuid, secret, url, events, enabled)
SELECT $1, $2, $3, $4, $6, $7, $8
WHERE (SELECT count(*) FROM webhook WHERE provider_id = $1) < $5
RETURNING webhook_id
