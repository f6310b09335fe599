-- keys.list: of a provider ($1), with one id ($2) if that is given, behind a number ($3); at most so many ($4)
SELECT k.key_id, k.provider_id, k.lookup, k.uuid AS id, k.scope, p.key::text AS provider, c.key::text AS customer,
       g.key::text AS "group", d.key::text AS device, k.name, k.created_at, k.expires_at, k.revoked_at, k.rotated_at,
       k.previous_until, k.last_used_at, k.rate, k.burst, encode(k.certificate_fingerprint, 'hex') AS certificate_fingerprint,
       k.certificate_subject
FROM api_key k
LEFT JOIN provider p ON p.provider_id = k.provider_id
LEFT JOIN customer c ON c.customer_id = k.customer_id
LEFT JOIN device_group g ON g.group_id = k.group_id
LEFT JOIN device d ON d.device_id = k.device_id
WHERE ($1::integer IS NULL OR k.provider_id = $1)
  AND ($2::uuid IS NULL OR k.uuid = $2)
  AND k.key_id > $3
ORDER BY k.key_id
LIMIT $4
