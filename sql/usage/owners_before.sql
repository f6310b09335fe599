-- usage.owners_before: the last value before the range, per metric and series, from a rollup of customers, groups or
-- providers: of each owner its last bucket, of these the latest, of several at that instant the highest.
SELECT DISTINCT ON (m.metric_id, s.label) m.metric_id, s.label, b.last_value
FROM unnest($5::integer[], $6::text[]) AS s (owner_id, label)
CROSS JOIN unnest($1::integer[]) AS m (metric_id)
CROSS JOIN LATERAL (
    SELECT r.last_value, r.last_ts
    FROM {rollup} r
    WHERE r.{owner} = s.owner_id AND r.metric_id = m.metric_id
      AND r.bucket < $2::timestamptz
      AND ($3::date IS NULL OR r.{day} < $3)
    ORDER BY r.bucket DESC, r.last_ts DESC, r.last_value DESC
    LIMIT 1) b
ORDER BY m.metric_id, s.label, b.last_ts DESC, b.last_value DESC
LIMIT $4
