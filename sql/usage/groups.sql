-- usage.groups: of customers that are seen ($2) one group ($3 key, $4 id), or those of customers ($5), or all of a provider
SELECT group_id, key::text, customer_id
FROM device_group
WHERE provider_id = $1
  AND ($2::integer[] IS NULL OR customer_id = ANY ($2))
  AND (($3::text IS NULL AND $4::uuid IS NULL) OR key::text = $3 OR uuid = $4)
  AND ($5::integer[] IS NULL OR customer_id = ANY ($5))
ORDER BY key::text
