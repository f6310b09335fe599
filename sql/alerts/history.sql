-- alerts.history: of the alert $1 behind the number $2, newest first
SELECT history_id, at, state, told
FROM alert_history
WHERE alert_id = $1 AND history_id < $2
ORDER BY history_id DESC
LIMIT $3
