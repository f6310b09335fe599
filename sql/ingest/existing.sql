-- ingest.existing: what is stored under the identities of readings that were not new, each with its place; $4 and $5,
-- the first and last instant, keep the search to the chunks in between
SELECT sent.place, r.value, r.event_id
FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[]) WITH ORDINALITY AS sent (channel_id, ts, event_key, place)
JOIN reading r USING (channel_id, ts, event_key)
WHERE r.ts BETWEEN $4 AND $5
