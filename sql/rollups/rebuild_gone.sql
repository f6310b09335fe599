-- rollups.rebuild_gone: deletes what is not right of {name} in [$1, $2)
DELETE FROM {name} AS r
WHERE r.bucket >= $1 AND r.bucket < $2 AND NOT EXISTS (SELECT FROM rebuilt_{name} AS f WHERE {same})
