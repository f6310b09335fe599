-- verify.keep_day: the channels' day that was just made is kept for the month
INSERT INTO verify_day
SELECT n.bucket, n.billing, n.key1, n.key2, n.key3, c.metric_id, c.provider_id,
       n.count, n.increment_sum, n.value_sum, n.value_min, n.value_max,
       n.first_ts, n.first_value, n.last_ts, n.last_value
FROM verify_right n
LEFT JOIN channel c ON c.channel_id = n.key1
