-- The log of changes: a row for many channels of an hour, not one for each. Readings that come in by COPY straight into
-- their chunk pass no trigger; who copies them writes the log.

-- Nobody may be writing to the log in the form that it had, or still do so after this.
LOCK TABLE reading IN SHARE ROW EXCLUSIVE MODE;
ALTER TABLE reading_change RENAME TO reading_change_before;
DROP INDEX reading_change_hour_idx;
DROP INDEX reading_change_changed_at_idx;

CREATE TABLE reading_change (
    hour       timestamptz NOT NULL,
    since      timestamptz NOT NULL,
    until      timestamptz,
    channels   integer[],
    readings   integer[],
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT reading_change_since_in_hour CHECK (since >= hour AND since < hour + interval '1 hour'),
    CONSTRAINT reading_change_until_in_hour CHECK (until >= since AND until < hour + interval '1 hour'),
    CONSTRAINT reading_change_counts_what_came
        CHECK ((readings IS NULL) = (until IS NULL) AND (readings IS NULL OR cardinality(readings) = cardinality(channels)))
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000, toast.autovacuum_vacuum_scale_factor = 0.0);
-- Numbers that differ compress badly, and it would be tried each time.
ALTER TABLE reading_change ALTER COLUMN channels SET STORAGE EXTERNAL;
ALTER TABLE reading_change ALTER COLUMN readings SET STORAGE EXTERNAL;
COMMENT ON TABLE reading_change IS 'Changes of readings that the rollups have yet to follow: written with the readings, emptied by the refresher. May hold a (channel, hour) more than once.';
COMMENT ON COLUMN reading_change.hour IS 'Start of the UTC hour whose readings changed.';
COMMENT ON COLUMN reading_change.since IS 'No reading before this instant changed.';
COMMENT ON COLUMN reading_change.until IS 'No reading after this instant changed; null where readings were not only added.';
COMMENT ON COLUMN reading_change.channels IS 'The channels whose readings changed; null for all channels.';
COMMENT ON COLUMN reading_change.readings IS 'How many readings of each channel were added; null where readings were not only added.';
COMMENT ON COLUMN reading_change.changed_at IS 'Start of the transaction that changed them.';
COMMENT ON COLUMN reading_change.changed_by IS 'That transaction: what a snapshot saw can be deleted later without what came after it.';

-- What was still to be followed is so further on, and since when it is.
INSERT INTO reading_change (hour, since, channels, changed_at, changed_by)
SELECT hour, hour, CASE WHEN whole THEN NULL ELSE array_agg(channel_id) END, changed_at, changed_by
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
    INSERT INTO reading_change (hour, since)
    SELECT DISTINCT time_bucket('1 hour', ts), time_bucket('1 hour', ts) FROM changed;
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO reading_change (hour, since)
        SELECT DISTINCT time_bucket('1 hour', ts), time_bucket('1 hour', ts) FROM before;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION reading_row_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reading_change (hour, since)
    SELECT time_bucket('1 hour', OLD.ts), time_bucket('1 hour', OLD.ts)
    WHERE NOT EXISTS (SELECT FROM reading_change AS c
                      WHERE c.hour = time_bucket('1 hour', OLD.ts) AND c.channels IS NULL
                        AND c.changed_by = pg_current_xact_id());
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION readings_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reading_change (hour, since)
    SELECT hour, hour
    FROM timescaledb_information.chunks,
         generate_series(range_start, range_end - interval '1 hour', interval '1 hour') AS hour
    WHERE hypertable_schema = 'public' AND hypertable_name = 'reading';
    RETURN NULL;
END $$;
