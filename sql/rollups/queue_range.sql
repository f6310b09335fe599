-- rollups.queue_range: every hour of [$1, $2) that lies within chunks of readings, and from $3 on, all channels of it
INSERT INTO reading_change (hour)
SELECT hour
FROM (SELECT min(range_start) AS first, max(range_end) AS last
      FROM timescaledb_information.chunks
      WHERE hypertable_schema = 'public' AND hypertable_name = 'reading') AS b,
     generate_series(greatest(b.first, $1, date_trunc('hour', $3 + interval '59:59.999999', 'UTC')),
                     least(b.last, $2) - interval '1 hour', interval '1 hour') AS hour
