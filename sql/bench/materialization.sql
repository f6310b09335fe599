-- bench.materialization: the table in which a continuous aggregate ($1) keeps what is materialised
SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = 'public' AND view_name = $1
