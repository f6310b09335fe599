-- lookup.groups: the numbers of those that these keys and ids name, and whose they are
SELECT group_id, customer_id, uuid AS id, key::text AS key
FROM device_group
WHERE provider_id = $1 AND (key::text = ANY ($2::text[]) OR uuid = ANY ($3::uuid[]))
