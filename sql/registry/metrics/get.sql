-- metrics.get
SELECT uuid AS id, key::text, name, unit, kind, scale, strict, rollover_at, max_per_hour, expected_interval,
       created_at, updated_at
FROM metric
WHERE provider_id = $1 AND (key::text = $2 OR uuid = $3)
