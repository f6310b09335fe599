-- events.test: an event ($1) that one webhook ($2) alone is told, with what else there is to tell
WITH recorded AS (
    INSERT INTO event (uuid, provider_id, type, subject, at, data)
    SELECT $1, provider_id, $3, key, now(), $4 FROM webhook WHERE webhook_id = $2
    RETURNING event_id)
INSERT INTO webhook_delivery (webhook_id, event_id, created_at, due_at, retry_until)
SELECT $2, event_id, now(), now(), now() + $5::double precision * interval '1 second'
FROM recorded
RETURNING uuid
