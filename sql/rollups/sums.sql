count = r.count + {new}.count,
        increment_sum = r.increment_sum + {new}.increment_sum,
        value_sum = r.value_sum + {new}.value_sum,
        value_min = least(r.value_min, {new}.value_min),
        value_max = greatest(r.value_max, {new}.value_max),
        first_ts = least(r.first_ts, {new}.first_ts),
        first_value = CASE WHEN (r.first_ts, r.first_value) <= ({new}.first_ts, {new}.first_value)
                      THEN r.first_value ELSE {new}.first_value END,
        last_ts = greatest(r.last_ts, {new}.last_ts),
        last_value = CASE WHEN (r.last_ts, r.last_value) >= ({new}.last_ts, {new}.last_value)
                     THEN r.last_value ELSE {new}.last_value END
