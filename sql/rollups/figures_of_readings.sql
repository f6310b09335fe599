    count(*) AS count,
    sum(s.increment) AS increment_sum,
    sum(s.value) AS value_sum,
    min(s.value) AS value_min,
    max(s.value) AS value_max,
    min(s.ts) AS first_ts,
    (min(ARRAY[_timescaledb_functions.to_unix_microseconds(s.ts), s.value]))[2] AS first_value,
    max(s.ts) AS last_ts,
    (max(ARRAY[_timescaledb_functions.to_unix_microseconds(s.ts), s.value]))[2] AS last_value
