{name}_put AS (
    INSERT INTO {name} AS r ({columns})
    SELECT {columns} FROM new_{name} ORDER BY {identity}
    ON CONFLICT ({identity}) DO UPDATE
    SET count = r.count + excluded.count,
        increment_sum = r.increment_sum + excluded.increment_sum,
        value_sum = r.value_sum + excluded.value_sum,
        value_min = least(r.value_min, excluded.value_min),
        value_max = greatest(r.value_max, excluded.value_max),
        first_ts = least(r.first_ts, excluded.first_ts),
        first_value = CASE WHEN (r.first_ts, r.first_value) <= (excluded.first_ts, excluded.first_value)
                      THEN r.first_value ELSE excluded.first_value END,
        last_ts = greatest(r.last_ts, excluded.last_ts),
        last_value = CASE WHEN (r.last_ts, r.last_value) >= (excluded.last_ts, excluded.last_value)
                     THEN r.last_value ELSE excluded.last_value END
    RETURNING 1)
