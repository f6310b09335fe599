-- registers.metric: by key ($2) or id ($3)
SELECT metric_id, key::text AS key, kind, scale FROM metric WHERE provider_id = $1 AND (key = $2::text OR uuid = $3)
