-- verify.registers.compare: readings of [$1, $2) of which folding them again finds something else than is stored. Why one
-- is suspicious is told where it is on both sides; in the review's columns.
SELECT 'reading' AS name, r.ts AS at, r.billing_day AS billing,
       p.key::text AS provider, o.key::text AS customer, g.key::text AS "group",
       v.key::text AS device, m.key::text AS metric, c.dimensions,
       ARRAY[r.increment::text, d.kind] || CASE WHEN d.kind IS NOT NULL AND d.right_kind IS NOT NULL THEN
           ARRAY[d.repeated::text, d.trusted_ts::text, d.trusted_event_key::text, d.trusted_value::text,
                 d.accepting::text, d.cleared::text] END AS kept,
       ARRAY[coalesce(f.increment, r.increment)::text, d.right_kind] || CASE WHEN d.kind IS NOT NULL AND d.right_kind IS NOT NULL THEN
           ARRAY[coalesce(f.repeated, d.repeated)::text, coalesce(f.trusted_ts, d.trusted_ts)::text,
                 coalesce(f.trusted_event_key, d.trusted_event_key)::text,
                 coalesce(f.trusted_value, d.trusted_value)::text, coalesce(f.accepting, d.accepting)::text,
                 coalesce(f.cleared, d.cleared)::text] END AS should,
       false AS pending
FROM (SELECT channel_id, ts, event_key, max(increment) AS increment, coalesce(bool_or(believed), false) AS believed,
             max(kind) AS kind, bool_or(repeated) AS repeated, max(trusted_ts) AS trusted_ts,
             max(trusted_event_key) AS trusted_event_key, max(trusted_value) AS trusted_value,
             max(accepting) AS accepting, bool_or(cleared) AS cleared
      FROM verify_fold
      GROUP BY channel_id, ts, event_key) AS f
JOIN reading r USING (channel_id, ts, event_key)
LEFT JOIN review w ON (w.channel_id, w.ts, w.event_key) = (f.channel_id, f.ts, f.event_key) AND w.suspect
CROSS JOIN LATERAL (
    SELECT w.kind, w.repeated, w.trusted_ts, w.trusted_event_key, w.trusted_value, w.accepting, w.cleared,
           CASE WHEN NOT f.believed THEN coalesce(f.kind, w.kind) END AS right_kind) AS d
JOIN channel c ON c.channel_id = r.channel_id
JOIN metric m USING (metric_id)
JOIN device v USING (device_id)
JOIN provider p ON p.provider_id = c.provider_id
LEFT JOIN customer o ON o.customer_id = r.customer_id
LEFT JOIN device_group g ON g.group_id = r.group_id
WHERE r.ts >= $1 AND r.ts < $2
  AND ($3::integer[] IS NULL OR r.channel_id = ANY ($3))
  AND (($4::integer[] IS NULL AND $5::integer[] IS NULL) OR r.customer_id = ANY ($4) OR r.group_id = ANY ($5))
  AND ($6::integer IS NULL OR c.provider_id = $6)
ORDER BY r.channel_id, r.ts, r.event_key
