-- registers.standing: those of some readings that are suspicious, and what was decided about them, each with its place
SELECT of.place, v.trusted_ts, v.trusted_event_key, v.trusted_value, v.decision, v.increment
FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[]) WITH ORDINALITY AS of (channel_id, ts, event_key, place)
JOIN review v USING (channel_id, ts, event_key)
WHERE v.suspect
