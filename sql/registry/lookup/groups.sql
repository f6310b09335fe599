-- lookup.groups: the numbers of those of customers that are seen ($2) that these keys and ids name, and whose they are
SELECT group_id, customer_id, uuid AS id, key::text AS key
FROM device_group
WHERE provider_id = $1
  AND ($2::integer[] IS NULL OR customer_id = ANY ($2))
  AND (key::text = ANY ($3::text[]) OR uuid = ANY ($4::uuid[]))
