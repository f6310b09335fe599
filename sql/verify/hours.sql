-- verify.hours: figures per channel and hour, from the readings of [$1, $2) alone. First and last are the value beside
-- the least and greatest of instant times 2^64 plus value: of several at an instant, the lowest and the highest.
INSERT INTO verify_hour
SELECT f.hour, f.billing_day, f.channel_id, f.customer_id, f.group_id, c.metric_id, c.provider_id,
       f.count, f.increments, f.total, f.least, f.greatest,
       f.first_ts, (f.first_place - extract(epoch FROM f.first_ts) * 18446744073709551616000000)::bigint,
       f.last_ts, (f.last_place - extract(epoch FROM f.last_ts) * 18446744073709551616000000)::bigint
FROM (
    SELECT date_trunc('hour', r.ts, 'UTC') AS hour, r.billing_day, r.channel_id, r.customer_id, r.group_id,
           count(*) AS count, sum(r.increment::numeric) AS increments, sum(r.value::numeric) AS total,
           min(r.value) AS least, max(r.value) AS greatest, min(r.ts) AS first_ts, max(r.ts) AS last_ts,
           min(extract(epoch FROM r.ts) * 18446744073709551616000000 + r.value) AS first_place,
           max(extract(epoch FROM r.ts) * 18446744073709551616000000 + r.value) AS last_place
    FROM reading r
    WHERE r.ts >= $1 AND r.ts < $2
      AND ($3::integer[] IS NULL OR r.channel_id = ANY ($3))
      AND (($4::integer[] IS NULL AND $5::integer[] IS NULL) OR r.customer_id = ANY ($4) OR r.group_id = ANY ($5))
    GROUP BY 1, 2, 3, 4, 5) AS f
LEFT JOIN channel c USING (channel_id)
WHERE $6::integer IS NULL OR c.provider_id = $6
