-- verify.scope.device: the channels of the devices of a key, of one provider ($2) or any
SELECT provider_id, array(SELECT channel_id FROM channel c WHERE c.device_id = d.device_id) AS ids
FROM device d
WHERE key::text = $1 AND ($2::integer IS NULL OR provider_id = $2)
