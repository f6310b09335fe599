-- metrics.put: by key ($2), made when it is new with the id $4; or by id ($3), which must be there
WITH target (key) AS (
    SELECT $2::text WHERE $2::text IS NOT NULL
    UNION ALL
    SELECT key FROM metric WHERE provider_id = $1 AND uuid = $3)
INSERT INTO metric AS m (uuid, provider_id, key, name, unit, kind, scale, strict, rollover_at, max_per_hour,
                         expected_interval)
SELECT $4, $1, key, $5, $6, $7, $8, $9, $10, $11, $12 FROM target
ON CONFLICT ON CONSTRAINT metric_key_key DO UPDATE
SET name = excluded.name,
    unit = excluded.unit,
    kind = excluded.kind,
    scale = excluded.scale,
    strict = excluded.strict,
    rollover_at = excluded.rollover_at,
    max_per_hour = excluded.max_per_hour,
    expected_interval = excluded.expected_interval,
    updated_at = CASE WHEN (m.name, m.unit, m.kind, m.scale, m.strict, m.rollover_at, m.max_per_hour,
                            m.expected_interval)
                           IS DISTINCT FROM (excluded.name, excluded.unit, excluded.kind, excluded.scale,
                                             excluded.strict, excluded.rollover_at, excluded.max_per_hour,
                                             excluded.expected_interval)
                      THEN now() ELSE m.updated_at END
RETURNING xmax = 0 AS created
