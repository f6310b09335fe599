    sum(s.count)::bigint AS count,
    sum(s.increment_sum) AS increment_sum,
    sum(s.value_sum) AS value_sum,
    min(s.value_min) AS value_min,
    max(s.value_max) AS value_max,
    min(s.first_ts) AS first_ts,
    (min(ARRAY[_timescaledb_functions.to_unix_microseconds(s.first_ts), s.first_value]))[2] AS first_value,
    max(s.last_ts) AS last_ts,
    (max(ARRAY[_timescaledb_functions.to_unix_microseconds(s.last_ts), s.last_value]))[2] AS last_value
