-- ingest.begin_earlier: dates channels back to earlier readings; locked in one order, so that none wait in a circle
WITH locked AS MATERIALIZED (
    SELECT c.channel_id, earlier.first_ts
    FROM unnest($1::integer[], $2::timestamptz[]) AS earlier (channel_id, first_ts)
    JOIN channel c USING (channel_id)
    ORDER BY c.channel_id
    FOR NO KEY UPDATE OF c)
UPDATE channel c
SET first_ts = locked.first_ts
FROM locked
-- Another batch may have dated it back further meanwhile.
WHERE c.channel_id = locked.channel_id AND (c.first_ts IS NULL OR c.first_ts > locked.first_ts)
