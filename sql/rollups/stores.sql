-- rollups.stores: of each continuous aggregate the number and name of the hypertable that holds what of it is materialised,
-- and before when all is
SELECT a.user_view_name::text AS rollup, a.mat_hypertable_id AS number, format('%I.%I', h.schema_name, h.table_name) AS name,
       greatest(_timescaledb_functions.to_timestamp(w.watermark), 'epoch') AS until
FROM _timescaledb_catalog.continuous_agg AS a
JOIN _timescaledb_catalog.hypertable AS h ON h.id = a.mat_hypertable_id
LEFT JOIN _timescaledb_catalog.continuous_aggs_watermark AS w ON w.mat_hypertable_id = a.mat_hypertable_id
WHERE a.user_view_schema = 'public'
