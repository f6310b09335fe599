-- keys.find: those of the keys $1 that are good, with their places, and the provider in which each acts: its own, which
-- must also be the one that is named ($2 keys, $3 ids), if one is; for a key of no provider the one that is named
SELECT n.position, k.key_id, k.scope, k.provider_id AS own_provider_id, k.rate, k.burst, k.secret_hash,
       CASE WHEN k.previous_until > now() THEN k.previous_hash END AS previous_hash,
       p.provider_id, p.key::text AS key, p.time_zone::text AS time_zone
FROM unnest($1::text[], $2::text[], $3::uuid[]) WITH ORDINALITY AS n (lookup, key, uuid, position)
JOIN api_key k ON k.lookup = n.lookup
LEFT JOIN provider p
  ON p.provider_id = coalesce(k.provider_id, (SELECT provider_id FROM provider WHERE key::text = n.key OR uuid = n.uuid))
 AND (n.key IS NULL OR p.key::text = n.key)
 AND (n.uuid IS NULL OR p.uuid = n.uuid)
WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
