-- usage.expected: how many readings are expected of channels while their devices are assigned, at the instants of a grid
-- that begins with a channel's first reading. Instants are microseconds since 1970. The words in braces stand for
-- constants of the program, never for anything that a caller sent.
--
-- A piece is the time that a channel, an assignment and the range have in common. What it expects in the first and in
-- the last period that it touches is counted here; in a whole period between them, it expects what any channel does
-- whose first reading is in the same place between the remainders of the periods' bounds (one class, where bounds are
-- multiples of the interval). So the rows that come out are few, however many channels there are: the cost is one pass
-- over the scope's assignments and their channels, whatever the number of periods.
WITH owner AS MATERIALIZED (
    SELECT customer_id, calendar FROM unnest($7::integer[], $8::integer[]) AS o (customer_id, calendar)),
-- For a metric and a billing calendar: the bounds of the periods, and the remainders of these by the interval.
grid AS MATERIALIZED (
    SELECT metric_id, calendar, step, bounds::bigint[] AS bounds, remainders::bigint[] AS remainders
    FROM unnest($9::integer[], $10::integer[], $11::bigint[], $12::text[], $13::text[])
        AS g (metric_id, calendar, step, bounds, remainders)),
piece AS (
    SELECT g.metric_id, {label} AS label, g.calendar, g.step, g.bounds, g.remainders, ch.first,
           greatest(ch.first, (extract(epoch FROM lower(a.during)) * 1000000)::bigint, g.bounds[1]) AS start,
           least((extract(epoch FROM upper(a.during)) * 1000000)::bigint, g.bounds[cardinality(g.bounds)], $14) AS stop
    FROM assignment a
    JOIN owner o USING (customer_id)
    {join}
    CROSS JOIN LATERAL (
        SELECT c.metric_id, (extract(epoch FROM coalesce(c.first_ts, c.created_at)) * 1000000)::bigint AS first
        FROM channel c
        WHERE c.device_id = a.device_id) AS ch
    JOIN grid g ON g.metric_id = ch.metric_id AND g.calendar = o.calendar
    WHERE a.provider_id = $1
      AND ($4::integer[] IS NULL OR a.customer_id = ANY ($4))
      AND ($5::integer IS NULL OR a.group_id = $5 OR ($5 = 0 AND a.group_id IS NULL))
      AND ($6::integer[] IS NULL OR a.device_id = ANY ($6))
      AND a.during && tstzrange($15, $16)),
placed AS (
    SELECT *, width_bucket(start, bounds) AS first_period, width_bucket(stop - 1, bounds) AS last_period
    FROM piece
    WHERE start < stop),
-- From a channel's first reading to x there are (x - first) / step instants, rounded up.
counted AS (
    SELECT metric_id, label, calendar, first_period, last_period,
           first % step AS phase,
           width_bucket(first % step, remainders) AS class,
           (least(stop, bounds[first_period + 1]) - first + step - 1) / step - (start - first + step - 1) / step AS head,
           CASE WHEN last_period > first_period
                THEN (stop - first + step - 1) / step - (bounds[last_period] - first + step - 1) / step
                ELSE 0 END AS tail
    FROM placed
    -- Keeps the bounds out of what is grouped.
    OFFSET 0)
SELECT metric_id, label, calendar, first_period, last_period, min(phase) AS phase, count(*) AS channels,
       sum(head)::bigint AS head, sum(tail)::bigint AS tail
FROM counted
GROUP BY metric_id, label, calendar, class, first_period, last_period
