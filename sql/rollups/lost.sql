-- rollups.lost: the oldest figures, and the oldest chunk of readings, when figures are older than that
SELECT figures.oldest::text, coalesce(readings.oldest::text, 'never')
FROM (SELECT min(first_ts) AS oldest FROM {name}) AS figures,
     (SELECT min(range_start) AS oldest FROM timescaledb_information.chunks
      WHERE hypertable_schema = 'public' AND hypertable_name = 'reading') AS readings
WHERE figures.oldest < coalesce(readings.oldest, 'infinity')
