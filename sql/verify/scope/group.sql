-- verify.scope.group: the groups of a key, of one provider ($2) or any
SELECT provider_id, ARRAY[group_id] AS ids
FROM device_group
WHERE key::text = $1 AND ($2::integer IS NULL OR provider_id = $2)
