-- alerts.save: what was judged of alerts ($1) that are still of the version $2 that was looked at: state, since when, memory;
-- nobody else writes what was judged from the same
UPDATE alert a
SET state = coalesce(s.state, a.state), changed_at = coalesce(s.changed_at, a.changed_at), memory = s.memory, version = a.version + 1
FROM unnest($1::integer[], $2::integer[], $3::text[], $4::timestamptz[], $5::jsonb[]) AS s (alert_id, version, state, changed_at, memory)
WHERE a.alert_id = s.alert_id AND a.version = s.version
RETURNING a.alert_id
