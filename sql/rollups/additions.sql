-- Notes what readings that are only inserted add up to, once per statement: of each hour and billing day, channel and
-- owner. Of sums that are no bigint nothing is noted but the channel: those hours are recomputed. Rows of the log stay
-- small enough to be followed one by one, and have channels of a range of numbers.
CREATE OR REPLACE FUNCTION readings_added() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    oldest timestamptz;
BEGIN
    WITH noted AS (
        INSERT INTO reading_change (hour, channels, billing_day, customers, groups, increment_sums, value_sums, first_times,
                                    counts, value_mins, value_maxs, first_values, last_times, last_values)
        SELECT hour, array_agg(channel_id), CASE WHEN fits THEN billing_day END,
               array_agg(customer_id) FILTER (WHERE fits),
               array_agg(group_id) FILTER (WHERE fits),
               array_agg(increment_sum::bigint) FILTER (WHERE fits),
               array_agg(value_sum::bigint) FILTER (WHERE fits),
               array_agg(first_ts) FILTER (WHERE fits),
               array_agg(count::integer) FILTER (WHERE fits AND several),
               array_agg(value_min) FILTER (WHERE fits AND several),
               array_agg(value_max) FILTER (WHERE fits AND several),
               array_agg(first_value) FILTER (WHERE fits AND several),
               array_agg(last_ts) FILTER (WHERE fits AND several),
               array_agg(last_value) FILTER (WHERE fits AND several)
        FROM (SELECT *, count > 1 AS several,
                     increment_sum BETWEEN -9223372036854775808 AND 9223372036854775807
                     AND value_sum BETWEEN -9223372036854775808 AND 9223372036854775807 AS fits
              FROM (SELECT time_bucket('1 hour', s.ts) AS hour, s.billing_day, s.channel_id, s.customer_id, s.group_id,
{figures}
                    FROM changed AS s
                    GROUP BY 1, 2, 3, 4, 5) AS sums) AS sums
        GROUP BY hour, billing_day, channel_id / 10000, fits, several
        RETURNING hour)
    SELECT min(hour) INTO oldest FROM noted;
    PERFORM refuse_dropped(oldest);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION readings_added() IS 'Notes in reading_change what the readings that a statement inserted add up to.';
