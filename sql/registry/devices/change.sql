-- devices.change: also puts retired devices into service again
UPDATE device d
SET name = w.name, kind = w.kind, retired_at = NULL, updated_at = now()
FROM unnest($1::integer[], $2::text[], $3::text[]) AS w (device_id, name, kind)
WHERE d.device_id = w.device_id
