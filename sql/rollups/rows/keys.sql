-- rollups.rows.keys: the first keys of what was touched of {name} in [$1, $2); null for none
SELECT array_agg(DISTINCT {key}) FROM touched_{name} WHERE bucket >= $1 AND bucket < $2
