-- moves.touch
UPDATE device SET updated_at = now() WHERE device_id = $1
