-- webhooks.finish: what came of an attempt, unless somebody else has taken the delivery ($1, claim $2) since: it began at $3, took
-- $4 milliseconds, and was answered with $5; $6 says why it failed, if it did. Then it is tried again after $7 seconds, or given up
-- where its time is over. The latest attempts are kept ($8); the clock is so many seconds ahead ($9).
WITH clock AS MATERIALIZED (
    SELECT now() + $9::double precision * interval '1 second' AS time),
-- Whoever deletes the webhook locks it first too.
told AS MATERIALIZED (
    SELECT w.webhook_id
    FROM webhook w
    WHERE w.webhook_id = (SELECT webhook_id FROM webhook_delivery WHERE delivery_id = $1)
    FOR NO KEY UPDATE),
tried AS (
    UPDATE webhook_delivery d
    SET claim = NULL,
        attempts = d.attempts + 1,
        state = CASE WHEN $6::text IS NULL THEN 'delivered' WHEN c.time < d.retry_until THEN 'pending' ELSE 'dead' END,
        due_at = CASE WHEN $6::text IS NULL OR c.time >= d.retry_until THEN c.time
                      ELSE least(c.time + $7::double precision * interval '1 second', d.retry_until) END,
        done_at = CASE WHEN $6::text IS NULL OR c.time >= d.retry_until THEN c.time END
    FROM told t, clock c
    WHERE d.delivery_id = $1 AND d.claim = $2 AND d.webhook_id = t.webhook_id
    RETURNING d.delivery_id, d.webhook_id, d.attempts, d.state, c.time),
kept AS (
    INSERT INTO webhook_attempt (delivery_id, number, at, millis, status, error)
    SELECT delivery_id, attempts, $3, $4, $5, $6 FROM tried),
forgotten AS (
    DELETE FROM webhook_attempt a USING tried t WHERE a.delivery_id = t.delivery_id AND a.number <= t.attempts - $8),
health AS (
    UPDATE webhook w
    SET failures = CASE WHEN $6::text IS NULL THEN 0 ELSE w.failures + 1 END,
        failing_since = CASE WHEN $6::text IS NOT NULL THEN coalesce(w.failing_since, t.time) END,
        last_success_at = CASE WHEN $6::text IS NULL THEN t.time ELSE w.last_success_at END
    FROM tried t
    WHERE w.webhook_id = t.webhook_id)
SELECT state FROM tried
