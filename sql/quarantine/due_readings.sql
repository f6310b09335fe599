-- quarantine.due_readings: the first readings of a provider ($1) that were waiting for these, each with the place of what
-- it was waiting for
SELECT due.place, q.quarantine_id
FROM unnest($2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY AS due (kind, name, behind, place)
CROSS JOIN LATERAL (
    (SELECT q.quarantine_id FROM quarantine q
     WHERE due.kind = 'device' AND q.provider_id = $1 AND q.device = due.name AND q.quarantine_id > due.behind
       AND q.code IN ('unknown_device', 'device_unassigned', 'device_unapproved')
     ORDER BY q.quarantine_id
     LIMIT $5)
    UNION ALL
    (SELECT q.quarantine_id FROM quarantine q
     WHERE due.kind = 'metric' AND q.provider_id = $1 AND q.metric = due.name AND q.quarantine_id > due.behind
       AND q.code = 'unknown_metric'
     ORDER BY q.quarantine_id
     LIMIT $5)) AS q
ORDER BY due.place, q.quarantine_id
LIMIT $5
