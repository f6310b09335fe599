-- registers.trouble: those of a batch's registers ($1), each from the reading before its first one ($2, null for none)
-- to the one after its last ($3), whose increments are not simply differences: a reading there is under suspicion, the
-- meter was replaced, or the metric's rule was another one
SELECT part.channel_id
FROM unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) AS part (channel_id, first_ts, last_ts)
JOIN channel c USING (channel_id)
WHERE EXISTS (
        SELECT FROM review v
        WHERE v.channel_id = part.channel_id AND v.ts BETWEEN coalesce(part.first_ts, '-infinity') AND part.last_ts
          AND v.suspect)
   OR EXISTS (
        SELECT FROM replacement p
        WHERE p.channel_id = part.channel_id AND p.at > coalesce(part.first_ts, '-infinity') AND p.at <= part.last_ts)
   OR EXISTS (
        SELECT FROM register_rule u
        WHERE u.metric_id = c.metric_id AND u.until > coalesce(part.first_ts, '-infinity'))
