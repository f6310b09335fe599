-- quarantine.done: all readings that were waiting for these were tried
DELETE FROM quarantine_due d
USING unnest($2::text[], $3::text[]) AS done (kind, name)
WHERE d.provider_id = $1 AND d.kind = done.kind AND d.name = done.name
