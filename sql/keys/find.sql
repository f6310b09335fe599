-- keys.find: a good key, and the provider in which it acts: its own, which must also be the one that is named ($2 key,
-- $3 id), if one is; for a key of no provider the one that is named
SELECT k.key_id, k.scope, k.provider_id AS own_provider_id, k.rate, k.burst, k.secret_hash,
       p.provider_id, p.key::text AS key, p.time_zone::text AS time_zone
FROM api_key k
LEFT JOIN provider p
  ON p.provider_id = coalesce(k.provider_id, (SELECT provider_id FROM provider WHERE key::text = $2 OR uuid = $3))
 AND ($2::text IS NULL OR p.key::text = $2)
 AND ($3::uuid IS NULL OR p.uuid = $3)
WHERE k.lookup = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
