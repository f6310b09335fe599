{name}_put AS (
    INSERT INTO {name} AS r ({columns})
    SELECT {columns} FROM new_{name} ORDER BY {identity}
    ON CONFLICT ({identity}) DO UPDATE
    SET {sums}
    RETURNING 1)
