-- rollups.append: adds to {name} in [$1, $2), and to all that is made from it, wherever touched_{name} says that readings
-- were only added: those that the transactions $3 stored. Takes that out of touched_{name}; what does not have as many
-- readings as it says stays there.
WITH came AS MATERIALIZED (
{select}
),
new_{name} AS MATERIALIZED (
    SELECT {columns}
    FROM (SELECT came.*, sum(count) OVER (PARTITION BY bucket, channel_id)::bigint AS readings FROM came) AS n
    JOIN touched_{name} AS t USING (bucket, channel_id, readings)),
taken AS (
    DELETE FROM touched_{name} WHERE (bucket, channel_id) IN (SELECT bucket, channel_id FROM new_{name})){added}
SELECT {changed}
