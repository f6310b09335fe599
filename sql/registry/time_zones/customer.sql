-- time_zones.customer: among those that are seen ($2) by key ($3) or id ($4)
SELECT customer_id, key::text FROM customer WHERE provider_id = $1
  AND ($2::integer[] IS NULL OR customer_id = ANY ($2))
  AND (key::text = $3 OR uuid = $4)
