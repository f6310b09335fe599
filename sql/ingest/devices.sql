-- ingest.devices: the devices that a batch names, by key ($2) or id ($3)
SELECT device_id, uuid, key::text AS key
FROM device
WHERE provider_id = $1 AND (key = ANY ($2::text[]) OR uuid = ANY ($3::uuid[]))
