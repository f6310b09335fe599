-- rollups.append: adds to {name} in [$1, $2), wherever touched_{name} says that nothing changed but behind the last reading
-- that it holds: what is there now from the first change on is new, and all else is in it. Takes that out of
-- touched_{name}, and notes what it touches above. (LATERAL and OFFSET, so that each is looked up: nothing is known of how
-- many there are.)
WITH behind AS MATERIALIZED (
    SELECT t.*
    FROM touched_{name} AS t
    CROSS JOIN LATERAL (
        SELECT max(r.last_ts) AS last_ts FROM {name} AS r
        WHERE r.bucket >= $1 AND r.bucket < $2 AND r.bucket = t.bucket{same_touched}) AS held
    WHERE t.bucket >= $1 AND t.bucket < $2 AND (held.last_ts IS NULL OR held.last_ts < t.since)),
taken AS (
    DELETE FROM touched_{name} WHERE (bucket, {touched_keys}) IN (SELECT bucket, {touched_keys} FROM behind)),
fresh AS MATERIALIZED (
{select}
),
changed AS (
    INSERT INTO {name} AS r (bucket, {billing}, {keys}, {figures})
    SELECT bucket, {billing}, {keys}, {figures} FROM fresh ORDER BY {identity}
    ON CONFLICT ({identity}) DO UPDATE
    SET count = r.count + excluded.count,
        increment_sum = r.increment_sum + excluded.increment_sum,
        value_sum = r.value_sum + excluded.value_sum,
        value_min = least(r.value_min, excluded.value_min),
        value_max = greatest(r.value_max, excluded.value_max),
        last_ts = excluded.last_ts,
        last_value = excluded.last_value
    RETURNING r.bucket, {r_keys}){above}
SELECT count(*) FROM changed
