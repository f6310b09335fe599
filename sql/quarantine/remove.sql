-- quarantine.remove: readings that are stored now
DELETE FROM quarantine WHERE quarantine_id = ANY ($1::bigint[])
