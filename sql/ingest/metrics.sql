-- ingest.metrics: the metrics that a batch names, by key ($2) or id ($3)
SELECT metric_id, uuid, key::text AS key, kind, scale, strict, rollover_at, max_per_hour
FROM metric
WHERE provider_id = $1 AND (key = ANY ($2::text[]) OR uuid = ANY ($3::uuid[]))
