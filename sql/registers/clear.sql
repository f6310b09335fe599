-- registers.clear: whether the suspicious readings between two others were slips; the later one may be missing
UPDATE review v
SET cleared = part.cleared, updated_at = now()
FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[], $4::timestamptz[], $5::bigint[], $6::boolean[])
    AS part (channel_id, after_ts, after_event_key, before_ts, before_event_key, cleared)
WHERE v.channel_id = part.channel_id
  AND (v.ts, v.event_key) > (part.after_ts, part.after_event_key)
  AND (v.ts, v.event_key) < (coalesce(part.before_ts, 'infinity'), coalesce(part.before_event_key, 0))
  AND v.suspect AND v.cleared <> part.cleared
