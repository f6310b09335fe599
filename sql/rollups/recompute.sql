-- rollups.recompute: makes {name} right in [$1, $2) wherever touched_{name} says that its source changed, and notes
-- what that touches above. Rows that stay as they are are not written, and nothing above them is recomputed.
-- (NOT IN, because it is always hashed: nothing is known of how many rows a step has, and a nested loop over them
-- takes seconds. None of the columns is ever null.)
WITH fresh AS MATERIALIZED (
{select}
),
gone AS (
    DELETE FROM {name} AS r
    USING touched_{name} AS t
    WHERE r.bucket >= $1 AND r.bucket < $2 AND r.bucket = t.bucket{same_touched}
      AND (r.bucket, r.{billing}, {r_keys}) NOT IN (SELECT bucket, {billing}, {keys} FROM fresh)
    RETURNING r.bucket, {r_keys}),
put AS (
    INSERT INTO {name} AS r (bucket, {billing}, {keys}, {figures})
    SELECT bucket, {billing}, {keys}, {figures} FROM fresh
    ON CONFLICT ({identity}) DO UPDATE
    SET ({figures}) = ROW ({excluded})
    WHERE ({r_figures}) IS DISTINCT FROM ({excluded})
    RETURNING r.bucket, {r_keys}),
changed AS (
    SELECT * FROM gone UNION SELECT * FROM put){above}
SELECT count(*) FROM changed
