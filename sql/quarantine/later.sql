-- quarantine.later: these wait for their next turn, and readings up to a number ($4) were tried where one is given
UPDATE quarantine_due d
SET behind = coalesce($4, d.behind), turn = nextval('quarantine_due_turn_seq')
FROM unnest($2::text[], $3::text[]) AS later (kind, name)
WHERE d.provider_id = $1 AND d.kind = later.kind AND d.name = later.name
