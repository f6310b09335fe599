-- registers.trust: readings that follow from those before them now
UPDATE review v
SET suspect = false, updated_at = now()
FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[]) AS of (channel_id, ts, event_key)
WHERE (v.channel_id, v.ts, v.event_key) = (of.channel_id, of.ts, of.event_key) AND v.suspect
