-- usage.metrics_by_number: the metrics with the numbers $2
SELECT metric_id, key::text, unit, kind, scale::integer, expected_interval
FROM metric
WHERE provider_id = $1 AND metric_id = ANY ($2)
