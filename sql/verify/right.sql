-- verify.right: {rollup} as it should be in [$1, $2), from {from}
INSERT INTO verify_right
SELECT f.bucket, f.billing, f.key1, f.key2, f.key3,
       f.count, f.increments, f.total, f.least, f.greatest,
       f.first_ts, (f.first_place - extract(epoch FROM f.first_ts) * 18446744073709551616000000)::bigint,
       f.last_ts, (f.last_place - extract(epoch FROM f.last_ts) * 18446744073709551616000000)::bigint
FROM (
    SELECT date_trunc('{unit}', s.bucket, 'UTC') AS bucket, {billing} AS billing,
           {key1} AS key1, {key2} AS key2, {key3} AS key3,
           sum(s.count)::bigint AS count, sum(s.increment_sum) AS increments, sum(s.value_sum) AS total,
           min(s.value_min) AS least, max(s.value_max) AS greatest, min(s.first_ts) AS first_ts, max(s.last_ts) AS last_ts,
           min(extract(epoch FROM s.first_ts) * 18446744073709551616000000 + s.first_value) AS first_place,
           max(extract(epoch FROM s.last_ts) * 18446744073709551616000000 + s.last_value) AS last_place
    FROM {from}
    WHERE s.bucket >= $1 AND s.bucket < $2 AND {counts}
    GROUP BY 1, 2, 3, 4, 5) AS f
WHERE {scope}
