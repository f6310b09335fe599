coalesce(
      (SELECT CASE WHEN w.watermark > -9000000000000000 THEN 'epoch'::timestamptz + w.watermark * interval '1 microsecond' END
       FROM _timescaledb_catalog.continuous_aggs_watermark AS w WHERE w.mat_hypertable_id = {number}),
      '-infinity')
