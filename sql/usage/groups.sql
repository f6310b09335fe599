-- usage.groups: one group ($2 key, $3 id), or those of customers ($4), or all of a provider
SELECT group_id, key::text, customer_id
FROM device_group
WHERE provider_id = $1
  AND (($2::text IS NULL AND $3::uuid IS NULL) OR key::text = $2 OR uuid = $3)
  AND ($4::integer[] IS NULL OR customer_id = ANY ($4))
ORDER BY key::text
