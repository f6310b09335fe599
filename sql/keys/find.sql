-- keys.find: those of the keys and tokens $1 that are good, with their places, for which part of a provider each is, and the
-- provider in which it acts: its own, which must also be the one that is named ($4 keys, $5 ids), if one is; for a key of no
-- provider the one that is named. Callers with a certificate ($2 fingerprint, $3 subject) hold the key that names it, or that it
-- was given for; of two, the one that names the certificate itself comes first. A token is no longer good when its customer is not in the part of the
-- key that made it. A session ($6) is as good as its key or token, and as the secret that it was begun with.
SELECT n.position, k.key_id, k.is_token, k.scope, k.provider_id AS own_provider_id, k.rate, k.burst, k.secret_hash,
       k.previous_hash, k.customer_id, k.group_id, k.device_id, k.applicant, c.uuid AS customer_uuid,
       CASE WHEN k.customer_id IS NOT NULL THEN ARRAY(SELECT customer_subtree(k.customer_id)) END AS customers,
       p.provider_id, p.key::text AS key, p.time_zone::text AS time_zone
FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::uuid[], $6::text[]) WITH ORDINALITY
     AS n (lookup, fingerprint, subject, key, uuid, session, position)
CROSS JOIN LATERAL (
    SELECT false AS is_second, key_id, false AS is_token, scope, provider_id, rate, burst, secret_hash,
           CASE WHEN previous_until > now() THEN previous_hash END AS previous_hash, customer_id, group_id, device_id,
           applicant::text
    FROM api_key
    WHERE lookup = n.lookup AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    UNION ALL
    SELECT certificate_fingerprint IS NULL, key_id, false, scope, provider_id, rate, burst, secret_hash, NULL, customer_id,
           group_id, device_id, applicant::text
    FROM api_key
    WHERE (certificate_fingerprint = n.fingerprint OR certificate_subject = n.subject)
      AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    UNION ALL
    SELECT false, k.key_id, false, k.scope, k.provider_id, k.rate, k.burst, s.secret_hash, NULL, k.customer_id, k.group_id,
           k.device_id, k.applicant::text
    FROM browser_session s
    JOIN api_key k USING (key_id)
    WHERE s.lookup = n.session AND s.expires_at > now()
      AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
      AND (s.shown_hash = k.secret_hash OR (s.shown_hash = k.previous_hash AND k.previous_until > now()))
    UNION ALL
    SELECT false, key_id, false, scope, provider_id, rate, burst, secret_hash, NULL, customer_id, group_id, device_id,
           applicant::text
    FROM issued_certificate i
    JOIN api_key USING (key_id)
    WHERE i.fingerprint = n.fingerprint AND i.expires_at > now()
      AND revoked_at IS NULL AND (api_key.expires_at IS NULL OR api_key.expires_at > now())
    UNION ALL
    SELECT false, t.key_id, true, 'read', t.provider_id, NULL, NULL, s.secret_hash, NULL, t.customer_id, NULL, NULL, NULL
    FROM (
        SELECT token_id, secret_hash FROM portal_token WHERE lookup = n.lookup
        UNION ALL
        SELECT token_id, secret_hash FROM browser_session WHERE lookup = n.session AND expires_at > now()) AS s
    JOIN portal_token t USING (token_id)
    JOIN api_key maker USING (key_id)
    WHERE t.revoked_at IS NULL AND t.expires_at > now()
      AND maker.revoked_at IS NULL AND (maker.expires_at IS NULL OR maker.expires_at > now())
      AND (maker.customer_id IS NULL OR t.customer_id IN (SELECT customer_subtree(maker.customer_id)))) AS k
LEFT JOIN customer c ON c.customer_id = k.customer_id
LEFT JOIN provider p
  ON p.provider_id = coalesce(k.provider_id, (SELECT provider_id FROM provider WHERE key::text = n.key OR uuid = n.uuid))
 AND (n.key IS NULL OR p.key::text = n.key)
 AND (n.uuid IS NULL OR p.uuid = n.uuid)
ORDER BY n.position, k.is_second
