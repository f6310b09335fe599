-- alerts.delete: with its history
DELETE FROM alert WHERE alert_id = $1
