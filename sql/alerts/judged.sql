-- alerts.judged: those after the number $1, of all providers, with what judging them needs
SELECT a.alert_id, a.provider_id, a.key::text, a.name, a.rule, a.version, a.memory, a.metric_id, a.customer_id, a.group_id,
       a.device_id, d.key::text AS device,
       CASE WHEN a.customer_id IS NOT NULL THEN 'customer:' || c.key
            WHEN a.group_id IS NOT NULL THEN 'group:' || g.key
            WHEN a.device_id IS NOT NULL THEN 'device:' || d.key
            ELSE 'provider' END AS scope,
       coalesce(a.customer_id, g.customer_id, owner.customer_id) AS concerns
FROM alert a
LEFT JOIN customer c ON c.customer_id = a.customer_id
LEFT JOIN device_group g ON g.group_id = a.group_id
LEFT JOIN device d ON d.device_id = a.device_id
LEFT JOIN LATERAL (
    SELECT s.customer_id FROM assignment s
    WHERE s.device_id = a.device_id AND coalesce(lower(s.during), '-infinity') <= now()
    ORDER BY lower(s.during) DESC NULLS LAST
    LIMIT 1) AS owner ON true
WHERE a.alert_id > $1
ORDER BY a.alert_id
LIMIT $2
