-- webhooks.deliveries: of a webhook ($1), latest first; one ($2) if that is given, in one state ($3) if that is, before $4; at most
-- so many ($5)
SELECT d.delivery_id, d.uuid AS id, d.state, d.created_at, CASE WHEN d.state = 'pending' THEN d.due_at END AS due_at, d.done_at,
       d.attempts AS made, e.uuid AS event, e.type, e.subject, e.at, a.attempts
FROM webhook_delivery d
JOIN event e USING (event_id)
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'number', number, 'at', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'millis', millis, 'status', status, 'error', error)
               ORDER BY number), '[]') AS attempts
    FROM webhook_attempt
    WHERE delivery_id = d.delivery_id) a
WHERE d.webhook_id = $1
  AND ($2::uuid IS NULL OR d.uuid = $2)
  AND ($3::text IS NULL OR d.state = $3)
  AND d.delivery_id < coalesce($4, 9223372036854775807)
ORDER BY d.delivery_id DESC
LIMIT $5
