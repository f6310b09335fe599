-- devices.create: each with its first assignment, which has no lower bound: history sent later has an owner
WITH wanted AS (
    SELECT *
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::integer[], $8::text[], $9::text[],
                $10::text[], $11::integer[])
         AS w (uuid, key, name, kind, customer_id, group_id, model, firmware, serial, profile_id)),
made AS (
    INSERT INTO device (uuid, provider_id, key, name, kind, model, firmware, serial, profile_id)
    SELECT uuid, $1, key, name, kind, model, firmware, serial, profile_id FROM wanted
    RETURNING device_id, uuid)
INSERT INTO assignment (provider_id, device_id, customer_id, group_id, during)
SELECT $1, made.device_id, wanted.customer_id, wanted.group_id, tstzrange(NULL, NULL)
FROM made
JOIN wanted USING (uuid)
