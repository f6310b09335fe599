-- audit.list: entries before a number ($2), newest first: of a provider ($1), of an action ($3), of an entity ($4), by an
-- API key ($5), from an instant on ($6), before one ($7) if that is given
SELECT a.audit_id AS id, a.at, p.key::text AS provider, a.action, a.entity, k.uuid AS key_id, k.name AS key_name,
       host(a.address) AS address, a.before, a.after
FROM audit a
LEFT JOIN provider p USING (provider_id)
LEFT JOIN api_key k USING (key_id)
WHERE a.audit_id < $2
  AND ($1::integer IS NULL OR a.provider_id = $1)
  AND ($3::text IS NULL OR a.action = $3)
  AND ($4::text IS NULL OR a.entity = $4)
  AND ($5::uuid IS NULL OR a.key_id = (SELECT named.key_id FROM api_key named WHERE named.uuid = $5))
  AND ($6::timestamptz IS NULL OR a.at >= $6)
  AND ($7::timestamptz IS NULL OR a.at < $7)
ORDER BY a.audit_id DESC
LIMIT $8
