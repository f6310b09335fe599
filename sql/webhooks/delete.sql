-- webhooks.delete: with what it was told
DELETE FROM webhook WHERE webhook_id = $1
