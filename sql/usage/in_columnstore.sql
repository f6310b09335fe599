-- usage.in_columnstore: whether some of the rollup $1 in [$2, $3) is in the columnstore
SELECT EXISTS (
    SELECT
    FROM _timescaledb_catalog.continuous_agg AS a
    JOIN _timescaledb_catalog.chunk AS c ON c.hypertable_id = a.mat_hypertable_id
    JOIN _timescaledb_catalog.chunk_constraint AS k ON k.chunk_id = c.id
    JOIN _timescaledb_catalog.dimension_slice AS s ON s.id = k.dimension_slice_id
    WHERE a.user_view_schema = 'public' AND a.user_view_name = $1
      AND c.compressed_chunk_id IS NOT NULL AND NOT c.dropped
      AND s.range_start < _timescaledb_functions.to_unix_microseconds($3)
      AND s.range_end > _timescaledb_functions.to_unix_microseconds($2))
