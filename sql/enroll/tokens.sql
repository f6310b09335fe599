-- enroll.tokens: of a provider ($1), or of all, with one id ($2) if that is given, behind a number ($3); at most so many ($4)
SELECT t.token_id, t.provider_id, t.uuid AS id, p.key::text AS provider, c.key::text AS customer, g.key::text AS "group",
       t.name, t.approval, t.uses_allowed, t.uses, t.created_at, t.expires_at, t.revoked_at
FROM enrollment_token t
JOIN provider p USING (provider_id)
JOIN customer c ON c.customer_id = t.customer_id
LEFT JOIN device_group g ON g.group_id = t.group_id
WHERE ($1::integer IS NULL OR t.provider_id = $1)
  AND ($2::uuid IS NULL OR t.uuid = $2)
  AND t.token_id > $3
ORDER BY t.token_id
LIMIT $4
