-- verify.registers.noted: the registers among the channels that have readings in the day that was just recomputed
INSERT INTO verify_register
SELECT DISTINCT h.channel_id
FROM verify_hour h
JOIN metric m USING (metric_id)
WHERE m.kind = 'register'
ON CONFLICT DO NOTHING
