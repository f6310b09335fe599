-- quarantine.take: readings in quarantine that are still there, in one order, so that none wait in a circle
SELECT quarantine_id, key_id, bound_key_id, device, metric, ts AS at, value, event_id, dimensions
FROM quarantine
WHERE quarantine_id = ANY ($1::bigint[])
ORDER BY quarantine_id
FOR UPDATE
