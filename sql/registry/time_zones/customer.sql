-- time_zones.customer: by key ($2) or id ($3)
SELECT customer_id, key::text FROM customer WHERE provider_id = $1 AND (key::text = $2 OR uuid = $3)
