-- rollups.rows.begin: begins the rows of {name} in [$1, $2) that there are not, with what came in
INSERT INTO {table} ({columns})
SELECT {columns}
FROM new_{name} AS n
WHERE NOT EXISTS (SELECT FROM {table} AS r WHERE r.bucket >= $1 AND r.bucket < $2 AND {same_row})
ORDER BY {identity}
