-- keys.tenant: the key's own provider ($1), which must also be the one that is named ($2 key, $3 id), if one is
SELECT provider_id, key::text AS key, time_zone::text AS time_zone
FROM provider
WHERE ($1::integer IS NULL OR provider_id = $1)
  AND ($2::text IS NULL OR key = $2)
  AND ($3::uuid IS NULL OR uuid = $3)
