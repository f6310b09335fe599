-- retention.oldest_chunk: start of the oldest chunk of readings, as it is and as it was last known
SELECT (SELECT _timescaledb_functions.to_timestamp(min(s.range_start))
        FROM _timescaledb_catalog.hypertable AS h
        JOIN _timescaledb_catalog.dimension AS d ON d.hypertable_id = h.id
        JOIN _timescaledb_catalog.dimension_slice AS s ON s.dimension_id = d.id
        WHERE h.schema_name = 'public' AND h.table_name = 'reading') AS oldest,
       (SELECT oldest_chunk FROM rollup_generation ORDER BY generation_id DESC LIMIT 1) AS known
