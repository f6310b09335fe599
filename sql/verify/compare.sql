-- verify.compare: rows of {rollup} in [$1, $2) that are not what they should be, with both sides, and whether a change
-- that is still to be followed can be why. Rows kept twice are added up, so they differ.
SELECT '{rollup}' AS name, d.bucket AS at, d.billing,
       coalesce(p.key::text, '#' || {provider}) AS provider, coalesce(o.key::text, '#' || {customer}) AS customer,
       coalesce(g.key::text, '#' || nullif({group}, 0)) AS "group", coalesce(v.key::text, '#' || {channel}) AS device,
       coalesce(m.key::text, '#' || {metric}) AS metric, c.dimensions, d.kept, d.should,
       EXISTS (SELECT FROM verify_pending w
               WHERE w.hour >= d.bucket AND w.hour < d.bucket + interval '1 {unit}'
                 AND (w.channel_id = 0 OR {touches})) AS pending
FROM (
    SELECT coalesce(k.bucket, n.bucket) AS bucket, coalesce(k.billing, n.billing) AS billing,
           coalesce(k.key1, n.key1) AS key1, coalesce(k.key2, n.key2) AS key2, coalesce(k.key3, n.key3) AS key3,
           CASE WHEN k.bucket IS NOT NULL THEN
               ARRAY[k.count::text, k.increment_sum::text, k.value_sum::text, k.value_min::text, k.value_max::text,
                     k.first_ts::text, k.first_value::text, k.last_ts::text, k.last_value::text] END AS kept,
           CASE WHEN n.bucket IS NOT NULL THEN
               ARRAY[n.count::text, n.increment_sum::text, n.value_sum::text, n.value_min::text, n.value_max::text,
                     n.first_ts::text, n.first_value::text, n.last_ts::text, n.last_value::text] END AS should
    FROM (SELECT f.*
          FROM (
              SELECT s.bucket, s.{billing} AS billing, s.{key1} AS key1, s.{key2} AS key2, {key3} AS key3,
                     sum(s.count)::bigint AS count, sum(s.increment_sum) AS increment_sum, sum(s.value_sum) AS value_sum,
                     min(s.value_min) AS value_min, max(s.value_max) AS value_max,
                     min(s.first_ts) AS first_ts, min(s.first_value) AS first_value,
                     max(s.last_ts) AS last_ts, max(s.last_value) AS last_value
              FROM {rollup} s
              WHERE s.bucket >= $1 AND s.bucket < $2
              GROUP BY 1, 2, 3, 4, 5) AS f
          WHERE {scope}) AS k
    FULL JOIN verify_right AS n
      ON k.bucket = n.bucket AND k.billing = n.billing AND k.key1 = n.key1 AND k.key2 = n.key2 AND k.key3 = n.key3
    WHERE (k.count, k.increment_sum, k.value_sum, k.value_min, k.value_max,
           k.first_ts, k.first_value, k.last_ts, k.last_value)
          IS DISTINCT FROM
          (n.count, n.increment_sum, n.value_sum, n.value_min, n.value_max,
           n.first_ts, n.first_value, n.last_ts, n.last_value)) AS d
LEFT JOIN channel c ON c.channel_id = {channel}
LEFT JOIN device v ON v.device_id = c.device_id
LEFT JOIN device_group g ON g.group_id = {group}
LEFT JOIN customer o ON o.customer_id = {customer}
LEFT JOIN metric m ON m.metric_id = {metric}
LEFT JOIN provider p ON p.provider_id = {provider}
