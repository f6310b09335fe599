-- bench.counts: the readings that {rollup} has of the device $1, of its owners where it is kept by owner
SELECT coalesce(sum(r.count), 0)::bigint
FROM {rollup} AS r
WHERE r.{key} = (SELECT {of} FROM device AS d JOIN channel AS c USING (device_id) JOIN assignment AS a USING (device_id)
                 WHERE d.key::text = $1)
