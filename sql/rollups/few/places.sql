-- rollups.few.places: of each of the aggregates $1 the hypertable that holds what is materialised; none where refreshes
-- merge, for those look whether there are rows before they take a lock
SELECT a.user_view_name::text AS name, format('%I.%I', h.schema_name, h.table_name) AS "table"
FROM _timescaledb_catalog.continuous_agg AS a
JOIN _timescaledb_catalog.hypertable AS h ON h.id = a.mat_hypertable_id
WHERE a.user_view_schema = 'public' AND a.user_view_name = ANY ($1)
  AND coalesce(current_setting('timescaledb.enable_merge_on_cagg_refresh', true), 'off') = 'off'
