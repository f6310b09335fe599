-- webhooks.claim: takes deliveries that are due to those webhooks that fail ($1), or to the others: at most so many ($2), and of
-- each webhook ($3) less what is under way here ($4 webhooks, $5 how many). Nobody else takes them for some seconds ($6). The
-- clock is so many seconds ahead ($7).
WITH clock AS MATERIALIZED (
    SELECT now() + $7::double precision * interval '1 second' AS time),
due AS MATERIALIZED (
    SELECT d.delivery_id
    FROM (SELECT webhook_id FROM webhook WHERE enabled AND (failures > 0) = $1 ORDER BY random()) w
    LEFT JOIN unnest($4::integer[], $5::bigint[]) AS busy (webhook_id, number) USING (webhook_id)
    CROSS JOIN LATERAL (
        SELECT delivery_id
        FROM webhook_delivery
        WHERE webhook_id = w.webhook_id AND state = 'pending' AND due_at <= (SELECT time FROM clock)
        ORDER BY due_at
        LIMIT greatest($3 - coalesce(busy.number, 0), 0)
        FOR UPDATE SKIP LOCKED) d
    LIMIT $2)
UPDATE webhook_delivery d
SET claim = gen_random_uuid(), due_at = c.time + $6::double precision * interval '1 second'
FROM due, clock c, webhook w, event e, provider p
WHERE d.delivery_id = due.delivery_id
  AND w.webhook_id = d.webhook_id
  AND e.event_id = d.event_id
  AND p.provider_id = w.provider_id
RETURNING d.delivery_id, d.claim, d.uuid AS message_id, d.attempts, w.webhook_id, w.url, w.secret,
          CASE WHEN w.previous_until > c.time THEN w.previous_secret END AS previous_secret,
          c.time, e.uuid AS id, e.type, p.key::text AS provider,
          (SELECT key::text FROM customer WHERE customer_id = e.customer_id) AS customer, e.subject, e.at, e.data
