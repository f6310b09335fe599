-- ingest.raw.metric: by key ($2) or id ($3)
SELECT metric_id FROM metric WHERE provider_id = $1 AND (key = $2::text OR uuid = $3)
