-- analytics.stores: the continuous aggregates, and the hypertables that hold what of them is materialised
SELECT a.user_view_name::text AS rollup, a.mat_hypertable_id AS number, format('%I.%I', h.schema_name, h.table_name) AS store
FROM _timescaledb_catalog.continuous_agg AS a
JOIN _timescaledb_catalog.hypertable AS h ON h.id = a.mat_hypertable_id
WHERE a.user_view_schema = 'public'
