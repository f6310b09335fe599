-- lookup.devices: the number of the device of the provider $1 with the key $2 or the id $3
SELECT device_id FROM device WHERE provider_id = $1 AND (key::text = $2 OR uuid = $3)
