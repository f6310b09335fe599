-- verify.registers.cleared: suspicious readings of [$7, $8) between two others, of which the later one may be missing,
-- that were slips and are not known to be, or the other way round
INSERT INTO verify_fold (channel_id, ts, event_key, cleared)
SELECT v.channel_id, v.ts, v.event_key, part.cleared
FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[], $4::timestamptz[], $5::bigint[], $6::boolean[])
    AS part (channel_id, after_ts, after_event_key, before_ts, before_event_key, cleared)
JOIN review v USING (channel_id)
WHERE (v.ts, v.event_key) > (part.after_ts, part.after_event_key)
  AND (v.ts, v.event_key) < (coalesce(part.before_ts, 'infinity'), coalesce(part.before_event_key, 0))
  AND v.ts >= $7 AND v.ts < $8
  AND v.suspect AND v.cleared <> part.cleared
