-- enroll.list: of a provider ($1), or of all, with one id ($2), in one state ($3) if that is given, behind a number ($4); at
-- most so many ($5)
SELECT e.enrollment_id, e.provider_id, t.customer_id, t.group_id, e.uuid AS id, e.state, p.key::text AS provider,
       e.device::text, e.serial, e.model, e.firmware, t.uuid AS token, c.key::text AS customer, g.key::text AS "group",
       k.uuid AS key_id, e.created_at, e.decided_at
FROM enrollment e
JOIN provider p USING (provider_id)
JOIN enrollment_token t USING (token_id)
JOIN customer c ON c.customer_id = t.customer_id
LEFT JOIN device_group g ON g.group_id = t.group_id
JOIN api_key k ON k.key_id = e.key_id
WHERE ($1::integer IS NULL OR e.provider_id = $1)
  AND ($2::uuid IS NULL OR e.uuid = $2)
  AND ($3::text IS NULL OR e.state = $3)
  AND e.enrollment_id > $4
ORDER BY e.enrollment_id
LIMIT $5
