-- alerts.metric: of a provider ($1) the metric with the key $2 or the id $3
SELECT metric_id, key::text, unit, kind, scale::integer, expected_interval
FROM metric
WHERE provider_id = $1 AND (key::text = $2 OR uuid = $3)
