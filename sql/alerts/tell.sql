-- alerts.tell: writes into the history of alerts ($1) when ($2) they fired or resolved ($3), and what is told of it ($4)
INSERT INTO alert_history (alert_id, at, state, told)
SELECT * FROM unnest($1::integer[], $2::timestamptz[], $3::text[], $4::jsonb[])
