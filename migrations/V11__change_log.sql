-- The log of changes: a row for many channels of an hour, not one for each, which says what readings that came in add up
-- to. Those that come in by COPY straight into their chunk pass no trigger; who copies them writes the log.

-- Nobody may be writing to the log in the form that it had, or still do so after this.
LOCK TABLE reading IN SHARE ROW EXCLUSIVE MODE;
ALTER TABLE reading_change RENAME TO reading_change_before;
DROP INDEX reading_change_hour_idx;
DROP INDEX reading_change_changed_at_idx;

CREATE TABLE reading_change (
    hour           timestamptz NOT NULL,
    channels       integer[],
    billing_day    date,
    customers      integer[],
    groups         integer[],
    increment_sums bigint[],
    value_sums     bigint[],
    first_times    timestamptz[],
    counts         integer[],
    value_mins     bigint[],
    value_maxs     bigint[],
    first_values   bigint[],
    last_times     timestamptz[],
    last_values    bigint[],
    changed_at     timestamptz NOT NULL DEFAULT now(),
    changed_by     xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT reading_change_sums_are_whole CHECK (
        num_nonnulls(customers, groups, increment_sums, value_sums, first_times) = CASE WHEN billing_day IS NULL THEN 0 ELSE 5 END
        AND num_nonnulls(counts, value_mins, value_maxs, first_values, last_times, last_values) IN (0, 6)
        AND (billing_day IS NOT NULL OR counts IS NULL)
        AND (billing_day IS NULL OR channels IS NOT NULL)),
    CONSTRAINT reading_change_arrays_are_parallel CHECK (
        cardinality(channels) = ALL (ARRAY[
            cardinality(customers), cardinality(groups), cardinality(increment_sums), cardinality(value_sums),
            cardinality(first_times), cardinality(counts), cardinality(value_mins), cardinality(value_maxs),
            cardinality(first_values), cardinality(last_times), cardinality(last_values)]))
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000, toast.autovacuum_vacuum_scale_factor = 0.0);
-- Numbers that differ compress badly, and it would be tried each time. Where lz4 is there, it takes less time to compress
-- what channels add up to than to write it as it is.
ALTER TABLE reading_change ALTER COLUMN channels SET STORAGE EXTERNAL;
DO $$
DECLARE
    how text := (SELECT CASE WHEN 'lz4' = ANY (enumvals) THEN 'COMPRESSION lz4' ELSE 'STORAGE EXTERNAL' END
                 FROM pg_settings WHERE name = 'default_toast_compression');
BEGIN
    EXECUTE (SELECT 'ALTER TABLE reading_change ' || string_agg(format('ALTER COLUMN %I SET %s', attname, how), ', ')
             FROM pg_attribute
             WHERE attrelid = 'reading_change'::regclass AND attnum > 0 AND attndims > 0 AND attname <> 'channels');
END $$;
COMMENT ON TABLE reading_change IS 'Changes of readings that the rollups have yet to follow: written with the readings, emptied by the refresher. May hold a (channel, hour) more than once. Where readings were only added, each element of the arrays says what those of a channel and an owner add up to; those that are null follow from others, for each stands for one reading.';
COMMENT ON COLUMN reading_change.hour IS 'Start of the UTC hour whose readings changed.';
COMMENT ON COLUMN reading_change.channels IS 'The channels whose readings changed; null for all channels.';
COMMENT ON COLUMN reading_change.billing_day IS 'The billing day of the readings that were added; null where they were not only added, or it is not said what they add up to: then the hour is recomputed.';
COMMENT ON COLUMN reading_change.customers IS 'Whose readings were added to each channel.';
COMMENT ON COLUMN reading_change.groups IS 'The group of the device of each channel; 0 for none.';
COMMENT ON COLUMN reading_change.increment_sums IS 'Sums of the increments that were added.';
COMMENT ON COLUMN reading_change.value_sums IS 'Sums of the values that were added.';
COMMENT ON COLUMN reading_change.first_times IS 'Instants of the first readings that were added.';
COMMENT ON COLUMN reading_change.counts IS 'How many readings were added; null for one each.';
COMMENT ON COLUMN reading_change.value_mins IS 'Lowest values that were added; null where each is the sum.';
COMMENT ON COLUMN reading_change.value_maxs IS 'Highest values that were added; null where each is the sum.';
COMMENT ON COLUMN reading_change.first_values IS 'Values of the first readings that were added, of several at an instant the lowest; null where each is the sum.';
COMMENT ON COLUMN reading_change.last_times IS 'Instants of the last readings that were added; null where each is the first.';
COMMENT ON COLUMN reading_change.last_values IS 'Values of the last readings that were added, of several at an instant the highest; null where each is the sum.';
COMMENT ON COLUMN reading_change.changed_at IS 'Start of the transaction that changed them.';
COMMENT ON COLUMN reading_change.changed_by IS 'That transaction: what a snapshot saw can be deleted later without what came after it.';

-- What was still to be followed is so further on, and since when it is.
INSERT INTO reading_change (hour, channels, changed_at, changed_by)
SELECT hour, CASE WHEN whole THEN NULL ELSE array_agg(channel_id) END, changed_at, changed_by
FROM (SELECT hour, channel_id, changed_at, changed_by, channel_id = 0 AS whole,
             row_number() OVER (PARTITION BY hour, changed_at, changed_by) / 10000 AS part
      FROM reading_change_before) AS b
GROUP BY hour, changed_at, changed_by, whole, part;
DROP TABLE reading_change_before;
CREATE INDEX reading_change_hour_idx ON reading_change (hour);
CREATE INDEX reading_change_changed_at_idx ON reading_change (changed_at);

-- The triggers that there are write the new form from this commit on: a server of another version may be storing
-- readings. They are replaced by those of this version, if they differ.
CREATE OR REPLACE FUNCTION reading_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reading_change (hour)
    SELECT DISTINCT time_bucket('1 hour', ts) FROM changed;
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO reading_change (hour)
        SELECT DISTINCT time_bucket('1 hour', ts) FROM before;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION reading_row_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reading_change (hour)
    SELECT time_bucket('1 hour', OLD.ts)
    WHERE NOT EXISTS (SELECT FROM reading_change AS c
                      WHERE c.hour = time_bucket('1 hour', OLD.ts) AND c.channels IS NULL
                        AND c.changed_by = pg_current_xact_id());
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION readings_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reading_change (hour)
    SELECT hour
    FROM timescaledb_information.chunks,
         generate_series(range_start, range_end - interval '1 hour', interval '1 hour') AS hour
    WHERE hypertable_schema = 'public' AND hypertable_name = 'reading';
    RETURN NULL;
END $$;
