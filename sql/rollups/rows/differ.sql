-- rollups.rows.differ: forgets the rows of {name} that are as they should be, and counts the others
WITH same AS MATERIALIZED (
    SELECT {columns} FROM fresh_{name} INTERSECT SELECT {columns} FROM stored_{name}),
stored AS (
    DELETE FROM stored_{name} WHERE ({columns}) IN (SELECT {columns} FROM same)),
fresh AS (
    DELETE FROM fresh_{name} WHERE ({columns}) IN (SELECT {columns} FROM same))
SELECT (SELECT count(*) FROM stored_{name}) - count(*), (SELECT count(*) FROM fresh_{name}) - count(*) FROM same
