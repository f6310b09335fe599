-- keys.used: the keys $1 were used at the instants $2; locked in one order, so that servers do not wait in a circle
WITH used AS MATERIALIZED (
    SELECT k.key_id, n.at
    FROM unnest($1::integer[], $2::timestamptz[]) AS n (key_id, at)
    JOIN api_key k USING (key_id)
    ORDER BY k.key_id
    FOR NO KEY UPDATE OF k)
UPDATE api_key k
SET last_used_at = used.at
FROM used
WHERE k.key_id = used.key_id AND (k.last_used_at IS NULL OR k.last_used_at < used.at)
