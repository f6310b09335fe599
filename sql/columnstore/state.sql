-- columnstore.state: of the hypertable or continuous aggregate $1, whether it has a columnstore, whether a chunk is in
-- it, and whether its policy is the one wanted: after $2, or none
SELECT h.compression_state <> 0 AS enabled,
       EXISTS (SELECT FROM timescaledb_information.chunks AS c
               WHERE c.hypertable_schema = h.schema_name AND c.hypertable_name = h.table_name AND c.is_compressed) AS used,
       (SELECT (j.config ->> 'compress_after')::interval FROM timescaledb_information.jobs AS j
        WHERE j.proc_name = 'policy_compression' AND (j.config ->> 'hypertable_id')::integer = h.id)
           IS NOT DISTINCT FROM $2::interval AS as_wanted
FROM _timescaledb_catalog.hypertable AS h
LEFT JOIN _timescaledb_catalog.continuous_agg AS a ON a.mat_hypertable_id = h.id
WHERE coalesce(a.user_view_schema, h.schema_name) = 'public' AND coalesce(a.user_view_name, h.table_name) = $1
