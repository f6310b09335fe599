-- rollups.rows.gone: deletes what is not as it should be of {name} in [$1, $2); $3 are all keys that were touched, with
-- which a columnstore is only decompressed where these are
DELETE FROM {table} AS r
USING stored_{name} AS n
WHERE r.bucket >= $1 AND r.bucket < $2 AND r.{key} = ANY ($3) AND {same_row}
