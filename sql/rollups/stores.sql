-- rollups.stores: of each continuous aggregate the name of the hypertable that holds what of it is materialised
SELECT a.user_view_name::text AS rollup, format('%I.%I', h.schema_name, h.table_name) AS name
FROM _timescaledb_catalog.continuous_agg AS a
JOIN _timescaledb_catalog.hypertable AS h ON h.id = a.mat_hypertable_id
WHERE a.user_view_schema = 'public'
