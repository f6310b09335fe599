-- columnstore.conversions: a number that is another one whenever a chunk has gone to the columnstore, in whole or the part
-- that came late, or has come back
SELECT coalesce(sum(hashtextextended(concat_ws(' ', id, xmin), 0)::numeric), 0)::text FROM _timescaledb_catalog.chunk
