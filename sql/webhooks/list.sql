-- webhooks.list: by key; one ($2 key, $3 id) if that is given, behind $4
SELECT webhook_id, uuid AS id, key::text, url, events, enabled,
       CASE WHEN NOT enabled THEN 'disabled' WHEN failures >= 5 THEN 'failing' ELSE 'ok' END AS state,
       failures, failing_since, last_success_at, created_at, updated_at, rotated_at, previous_until
FROM webhook
WHERE provider_id = $1
  AND ($2::text IS NULL OR key::text = $2)
  AND ($3::uuid IS NULL OR uuid = $3)
  AND key::text > coalesce($4, '')
ORDER BY key::text
LIMIT $5
