-- events.forget: some that are older than so many seconds ($1), or that have more than so many ($3) of their provider behind them;
-- at most so many ($2)
DELETE FROM event
WHERE event_id IN (
    SELECT event_id FROM event
    WHERE recorded_at < now() - $1::double precision * interval '1 second'
    UNION ALL
    SELECT o.event_id
    FROM provider p
    CROSS JOIN LATERAL (
        SELECT event_id FROM event WHERE provider_id = p.provider_id ORDER BY event_id DESC OFFSET $3 LIMIT 1) newest
    JOIN event o ON o.provider_id = p.provider_id AND o.event_id <= newest.event_id
    LIMIT $2)
