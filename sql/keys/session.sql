-- keys.session: what the key or token $1, or that of the session $2, lets its holder see, and until when
WITH shown AS (
    SELECT key_id, NULL::bigint AS token_id, NULL::timestamptz AS expires_at FROM api_key WHERE lookup = $1
    UNION ALL
    SELECT NULL, token_id, NULL FROM portal_token WHERE lookup = $1
    UNION ALL
    SELECT key_id, token_id, expires_at FROM browser_session WHERE lookup = $2)
SELECT coalesce(k.scope, 'read') AS scope, p.key::text AS provider, p.time_zone::text AS time_zone, c.key::text AS customer,
       k.name, t.token_id IS NOT NULL AS portal, least(shown.expires_at, k.expires_at, t.expires_at, maker.expires_at) AS until
FROM shown
LEFT JOIN api_key k ON k.key_id = shown.key_id
LEFT JOIN portal_token t ON t.token_id = shown.token_id
LEFT JOIN api_key maker ON maker.key_id = t.key_id
LEFT JOIN provider p ON p.provider_id = coalesce(k.provider_id, t.provider_id)
LEFT JOIN customer c ON c.customer_id = coalesce(k.customer_id, t.customer_id)
