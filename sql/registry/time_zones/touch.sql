-- time_zones.touch
UPDATE customer SET updated_at = now() WHERE customer_id = $1
