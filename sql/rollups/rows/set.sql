-- rollups.rows.set: adds what came in to the rows of {name} in [$1, $2) that there are
UPDATE {table} AS r
SET {sums}
FROM new_{name} AS n
WHERE r.bucket >= $1 AND r.bucket < $2 AND {same_row}
