-- rollups.rows.stored: notes what {name} holds where it was touched in [$1, $2); $3 are all keys that were
INSERT INTO stored_{name} ({columns})
SELECT {r_columns}
FROM {table} AS r
JOIN touched_{name} AS t ON t.bucket = r.bucket{same_touched}
WHERE r.bucket >= $1 AND r.bucket < $2 AND t.bucket >= $1 AND t.bucket < $2 AND r.{key} = ANY ($3)
