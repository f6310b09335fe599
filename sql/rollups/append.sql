-- rollups.append: adds to {name} in [$1, $2), and to all that is made from it, wherever touched_{name} says that nothing
-- changed but behind the last reading that it holds: what is there now from the first change on is new, and all else is in
-- it. Takes that out of touched_{name}.
WITH behind AS MATERIALIZED (
    SELECT t.*
    FROM touched_{name} AS t
    CROSS JOIN LATERAL (
        SELECT max(r.last_ts) AS last_ts FROM {name} AS r
        WHERE r.bucket >= $1 AND r.bucket < $2 AND r.bucket = t.bucket AND r.channel_id = t.channel_id) AS held
    WHERE t.bucket >= $1 AND t.bucket < $2 AND (held.last_ts IS NULL OR held.last_ts < t.since)),
taken AS (
    DELETE FROM touched_{name} WHERE (bucket, channel_id) IN (SELECT bucket, channel_id FROM behind)),
new_{name} AS MATERIALIZED (
{select}
){added}
SELECT {changed}
