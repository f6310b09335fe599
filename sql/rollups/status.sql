-- rollups.status: for readings and each rollup ($1) the table behind it, the times of its chunks, how many of them are
-- compressed, its size in bytes, and from when on it is kept
SELECT n.name, h.place::text AS place, coalesce(c.starts, '{}') AS starts, coalesce(c.ends, '{}') AS ends,
       coalesce(c.compressed, 0) AS compressed, coalesce(hypertable_size(h.place), 0) AS bytes,
       k.since AS kept_from
FROM unnest($1::text[]) WITH ORDINALITY AS n (name, position)
LEFT JOIN timescaledb_information.continuous_aggregates AS a ON a.view_schema = 'public' AND a.view_name = n.name
CROSS JOIN LATERAL (
    SELECT to_regclass(format('%I.%I', coalesce(a.materialization_hypertable_schema, 'public'),
                              coalesce(a.materialization_hypertable_name, n.name))) AS place) AS h
LEFT JOIN LATERAL (
    SELECT array_agg(range_start ORDER BY range_start) AS starts, array_agg(range_end ORDER BY range_start) AS ends,
           count(*) FILTER (WHERE is_compressed) AS compressed
    FROM timescaledb_information.chunks
    WHERE hypertable_schema = coalesce(a.materialization_hypertable_schema, 'public')
      AND hypertable_name = coalesce(a.materialization_hypertable_name, n.name)) AS c ON true
LEFT JOIN kept_from AS k ON k.relation = n.name
ORDER BY n.position
