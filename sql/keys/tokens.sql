-- keys.tokens: those of portals, of a provider ($1), or of all, for customers that are seen ($2, null for all), and which the
-- caller may keep ($3, null for the command line): an admin or provider key all, another key what it made; with one id ($4) if
-- that is given, behind a number ($5); at most so many ($6)
SELECT t.token_id, t.provider_id, t.uuid AS id, p.key::text AS provider, c.key::text AS customer, k.uuid AS key_id,
       t.created_at, t.expires_at, t.revoked_at
FROM portal_token t
JOIN provider p USING (provider_id)
JOIN customer c ON c.customer_id = t.customer_id
JOIN api_key k USING (key_id)
WHERE ($1::integer IS NULL OR t.provider_id = $1)
  AND ($2::integer[] IS NULL OR t.customer_id = ANY ($2))
  AND ($3::integer IS NULL OR t.key_id = $3
       OR (SELECT scope FROM api_key WHERE key_id = $3) IN ('admin', 'provider'))
  AND ($4::uuid IS NULL OR t.uuid = $4)
  AND t.token_id > $5
ORDER BY t.token_id
LIMIT $6
