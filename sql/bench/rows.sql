-- bench.rows: the {most} stored readings of the earliest instants, numbered by transactions of {size} rows
CREATE UNLOGGED TABLE bench_row AS
SELECT (row_number() OVER (ORDER BY ts, channel_id, event_key) - 1) / {size} AS part, r.*
FROM (SELECT channel_id, ts, event_key, event_id, value, increment, customer_id, group_id, billing_day
      FROM reading ORDER BY ts, channel_id, event_key LIMIT {most}) AS r;
CREATE INDEX ON bench_row (part);
ANALYZE bench_row
