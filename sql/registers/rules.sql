-- registers.rules: what the metrics of some registers ($1) say and said
SELECT c.channel_id, m.rollover_at, m.max_per_hour, earlier.until, earlier.rollover_at AS earlier_rollover_at,
       earlier.max_per_hour AS earlier_max_per_hour
FROM unnest($1::integer[]) AS of (channel_id)
JOIN channel c USING (channel_id)
JOIN metric m USING (metric_id)
LEFT JOIN register_rule earlier USING (metric_id)
ORDER BY c.channel_id, earlier.until
