-- events.forget: some that are older than $1 seconds; at most so many ($2)
DELETE FROM event
WHERE event_id IN (
    SELECT event_id FROM event
    WHERE recorded_at < now() - $1::double precision * interval '1 second'
    ORDER BY recorded_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED)
