-- events.record: with a delivery for each webhook that is told such events, and is not being deleted
WITH recorded AS (
    INSERT INTO event (uuid, provider_id, customer_id, type, subject, at, data)
    SELECT uuid, provider_id, customer_id, type, subject, at, data
    FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::timestamptz[], $7::jsonb[])
         WITH ORDINALITY AS new (uuid, provider_id, customer_id, type, subject, at, data, place)
    ORDER BY place
    RETURNING event_id, provider_id, type),
told AS (
    SELECT w.webhook_id, r.event_id
    FROM recorded r
    JOIN webhook w ON w.provider_id = r.provider_id AND w.enabled AND r.type = ANY (w.events)
    ORDER BY r.event_id, w.webhook_id
    FOR KEY SHARE OF w)
INSERT INTO webhook_delivery (webhook_id, event_id, created_at, due_at, retry_until)
SELECT webhook_id, event_id, now(), now(), now() + $8::double precision * interval '1 second'
FROM told
