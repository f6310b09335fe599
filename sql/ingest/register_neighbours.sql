-- ingest.register_neighbours: what is stored just before and after each of a batch's register readings, as far as no
-- other reading of the batch is in between; and whether it is stored itself. The plain comparisons of ts are there for
-- TimescaleDB, which finds the chunks by them.
WITH sent AS (
    SELECT place, channel_id, ts, event_key,
           coalesce(lag(ts) OVER channel, '-infinity') AS earlier, coalesce(lag(event_key) OVER channel, 0) AS earlier_key,
           coalesce(lead(ts) OVER channel, 'infinity') AS later, coalesce(lead(event_key) OVER channel, 0) AS later_key
    FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[])
        WITH ORDINALITY AS sent (channel_id, ts, event_key, place)
    WINDOW channel AS (PARTITION BY channel_id ORDER BY ts, event_key))
SELECT same.value IS NOT NULL AS stored,
       before.ts AS before_ts, before.value AS before_value,
       after.ts AS after_ts, after.event_key AS after_event_key, after.value AS after_value
FROM sent
LEFT JOIN LATERAL (
    SELECT r.value FROM reading r
    WHERE r.channel_id = sent.channel_id AND r.ts = sent.ts AND r.event_key = sent.event_key) AS same ON true
LEFT JOIN LATERAL (
    SELECT r.ts, r.value FROM reading r
    WHERE r.channel_id = sent.channel_id AND r.ts >= sent.earlier AND r.ts <= sent.ts
      AND (r.ts, r.event_key) >= (sent.earlier, sent.earlier_key) AND (r.ts, r.event_key) < (sent.ts, sent.event_key)
    ORDER BY r.ts DESC, r.event_key DESC
    LIMIT 1) AS before ON true
LEFT JOIN LATERAL (
    SELECT r.ts, r.event_key, r.value FROM reading r
    WHERE r.channel_id = sent.channel_id AND r.ts >= sent.ts AND r.ts <= sent.later
      AND (r.ts, r.event_key) > (sent.ts, sent.event_key) AND (r.ts, r.event_key) <= (sent.later, sent.later_key)
    ORDER BY r.ts, r.event_key
    LIMIT 1) AS after ON true
ORDER BY sent.place
