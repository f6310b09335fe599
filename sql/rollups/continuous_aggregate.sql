CREATE MATERIALIZED VIEW {name}
WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false)
AS {select}
WITH NO DATA;
SELECT set_chunk_time_interval('{name}', interval '{chunk}');
CREATE INDEX {name}_key ON {name} ({index});
