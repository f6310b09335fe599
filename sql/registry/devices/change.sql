-- devices.change: also puts retired devices into service again
UPDATE device d
SET name = w.name, kind = w.kind, model = w.model, firmware = w.firmware, serial = w.serial, profile_id = w.profile_id,
    retired_at = NULL, updated_at = now()
FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[])
     AS w (device_id, name, kind, model, firmware, serial, profile_id)
WHERE d.device_id = w.device_id
