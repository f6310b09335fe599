-- alerts.list: of a provider ($1) those whose scope is of customers that are seen ($2), by key behind $3; the one with the
-- key $4 or the id $5, those in the state $6 if that is given
SELECT a.alert_id, a.uuid AS id, a.key::text, a.name, a.rule, a.state, a.changed_at, a.created_at, a.updated_at,
       CASE WHEN a.customer_id IS NOT NULL THEN 'customer:' || c.key
            WHEN a.group_id IS NOT NULL THEN 'group:' || g.key
            WHEN a.device_id IS NOT NULL THEN 'device:' || d.key
            ELSE 'provider' END AS scope,
       coalesce(a.customer_id, g.customer_id, owner.customer_id) AS concerns, newest.told
FROM alert a
LEFT JOIN customer c ON c.customer_id = a.customer_id
LEFT JOIN device_group g ON g.group_id = a.group_id
LEFT JOIN device d ON d.device_id = a.device_id
LEFT JOIN LATERAL (
    SELECT s.customer_id FROM assignment s
    WHERE s.device_id = a.device_id AND coalesce(lower(s.during), '-infinity') <= now()
    ORDER BY lower(s.during) DESC NULLS LAST
    LIMIT 1) AS owner ON true
LEFT JOIN LATERAL (
    SELECT h.told FROM alert_history h WHERE h.alert_id = a.alert_id ORDER BY h.history_id DESC LIMIT 1) AS newest ON true
WHERE a.provider_id = $1
  AND ($2::integer[] IS NULL OR coalesce(a.customer_id, g.customer_id, owner.customer_id) = ANY ($2))
  AND a.key::text > coalesce($3, '')
  AND ($4::text IS NULL AND $5::uuid IS NULL OR a.key::text = $4 OR a.uuid = $5)
  AND ($6::text IS NULL OR a.state = $6)
ORDER BY a.key::text
LIMIT $7
