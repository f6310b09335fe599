-- webhooks.change: one ($2 key, $3 id) that is not so already; at another address it has not failed yet
UPDATE webhook
SET url = $4, events = $5, enabled = $6, updated_at = now(),
    failures = CASE WHEN url = $4 THEN failures ELSE 0 END,
    failing_since = CASE WHEN url = $4 THEN failing_since END
WHERE provider_id = $1 AND (key::text = $2 OR uuid = $3) AND (url, events, enabled) IS DISTINCT FROM ($4, $5, $6)
RETURNING webhook_id
