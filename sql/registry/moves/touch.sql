-- moves.touch
UPDATE device SET updated_at = now() WHERE device_id = ANY ($1::integer[])
