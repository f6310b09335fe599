-- alerts.put: by key ($2), made when it is new with the id $4 if the provider has fewer than $11 of them; or by id ($3), which
-- must be there. With another scope or rule it begins anew.
WITH target (key) AS (
    SELECT $2::text WHERE $2::text IS NOT NULL
    UNION ALL
    SELECT key FROM alert WHERE provider_id = $1 AND uuid = $3)
INSERT INTO alert AS a (uuid, provider_id, key, name, customer_id, group_id, device_id, metric_id, rule)
SELECT $4, $1, key, $5, $6, $7, $8, $9, $10::jsonb
FROM target
WHERE (SELECT count(*) FROM alert WHERE provider_id = $1) < $11
   OR EXISTS (SELECT FROM alert WHERE provider_id = $1 AND alert.key::text = target.key)
ON CONFLICT ON CONSTRAINT alert_key_key DO UPDATE
SET name = excluded.name,
    customer_id = excluded.customer_id,
    group_id = excluded.group_id,
    device_id = excluded.device_id,
    metric_id = excluded.metric_id,
    rule = excluded.rule,
    version = CASE WHEN $12 THEN a.version + 1 ELSE a.version END,
    state = CASE WHEN NOT $12 THEN a.state WHEN a.state = 'firing' THEN 'resolved' ELSE 'ok' END,
    changed_at = CASE WHEN NOT $12 THEN a.changed_at WHEN a.state = 'firing' THEN now() END,
    memory = CASE WHEN $12 THEN '{"passed": []}' ELSE a.memory END,
    updated_at = CASE WHEN $12 OR a.name <> excluded.name THEN now() ELSE a.updated_at END
RETURNING xmax = 0 AS created
