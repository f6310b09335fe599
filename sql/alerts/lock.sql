-- alerts.lock: of a provider ($1) the alert with the key $2 or the id $3, kept as it is until the transaction ends
SELECT alert_id, customer_id, group_id, device_id, rule, state
FROM alert
WHERE provider_id = $1 AND (key::text = $2 OR uuid = $3)
FOR UPDATE
