-- bench.stored: readings that are stored, and the sum of their values in units of the metric's scale
SELECT count(*), coalesce(sum(value), 0)::bigint FROM reading
