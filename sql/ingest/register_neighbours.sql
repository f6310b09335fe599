-- ingest.register_neighbours: a batch's register readings in their order, each with what is stored directly before and
-- after it between the first and the last of its channel; and whether it is stored itself. $4 and $5, the first and
-- last instant of the batch, keep the search to the chunks in between.
WITH sent AS (
    SELECT channel_id, ts, event_key, place
    FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[])
        WITH ORDINALITY AS sent (channel_id, ts, event_key, place)),
span AS (
    SELECT channel_id, min(ts) AS first, max(ts) AS last FROM sent GROUP BY channel_id),
-- A reading that is sent has a place, one that is stored has a value.
meeting AS (
    SELECT channel_id, ts, event_key, max(place) AS place, max(value) AS value
    FROM (
        SELECT channel_id, ts, event_key, place, NULL::bigint AS value FROM sent
        UNION ALL
        SELECT r.channel_id, r.ts, r.event_key, NULL, r.value
        FROM span JOIN reading r ON r.channel_id = span.channel_id AND r.ts BETWEEN span.first AND span.last
        WHERE r.ts BETWEEN $4 AND $5) AS either
    GROUP BY channel_id, ts, event_key),
around AS (
    SELECT place, value IS NOT NULL AS stored,
           lag(ts) OVER channel AS before_ts, lag(event_key) OVER channel AS before_event_key,
           lag(value) OVER channel AS before_value,
           lead(ts) OVER channel AS after_ts, lead(event_key) OVER channel AS after_event_key,
           lead(value) OVER channel AS after_value
    FROM meeting
    WINDOW channel AS (PARTITION BY channel_id ORDER BY ts, event_key))
SELECT stored, before_ts, before_event_key, before_value, after_ts, after_event_key, after_value
FROM around
WHERE place IS NOT NULL
ORDER BY place
