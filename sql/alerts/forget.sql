-- alerts.forget: the history from before $1, and of each alert what is beyond the newest $2
DELETE FROM alert_history h
WHERE h.at < $1
   OR h.history_id < (SELECT n.history_id FROM alert_history n WHERE n.alert_id = h.alert_id
                      ORDER BY n.history_id DESC OFFSET $2 - 1 LIMIT 1)
