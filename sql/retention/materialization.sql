-- retention.materialization: the hypertable that holds what is materialised of the aggregate $1
SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = 'public' AND view_name = $1
