SELECT {labels}, r.metric, r.unit, r.period AS {period},
       sum(r.count)::bigint AS readings,
       CASE WHEN r.kind <> 'gauge' THEN sum(r.increment_sum) * ({unit}) END AS used,
       min(r.value_min) * ({unit}) AS lowest,
       max(r.value_max) * ({unit}) AS highest,
       CASE WHEN r.kind <> 'register'
            THEN analytics.mean(sum(r.value_sum), sum(r.count)::bigint) * ({unit}) END AS mean,
       min(r.first_ts) AS first_at,
       (min(ARRAY[(extract(epoch FROM r.first_ts) * 1000000)::bigint, r.first_value]))[2] * ({unit}) AS first_value,
       max(r.last_ts) AS last_at,
       (max(ARRAY[(extract(epoch FROM r.last_ts) * 1000000)::bigint, r.last_value]))[2] * ({unit}) AS last_value
FROM ({member}) AS r
GROUP BY {labels}, r.metric, r.unit, r.kind, r.scale, r.period
