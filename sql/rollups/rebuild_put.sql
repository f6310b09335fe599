-- rollups.rebuild_put: adds what is missing of {name} in [$1, $2)
INSERT INTO {name} ({columns})
SELECT {columns} FROM rebuilt_{name} AS f
WHERE NOT EXISTS (SELECT FROM {name} AS r WHERE r.bucket >= $1 AND r.bucket < $2 AND {same})
