-- Notes which channels' readings changed in which hours, once per statement however many rows it changed. An hour is
-- noted as a whole where a statement changes more channels in it than the argument says, or where a channel's readings
-- there leave an owner or a billing day: whose figures those were would be forgotten. 'all' where it never is. What is
-- no longer kept cannot change: the figures made from it could not follow.
CREATE OR REPLACE FUNCTION refuse_dropped(oldest timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    kept timestamptz := (SELECT since FROM kept_from WHERE relation = 'reading');
BEGIN
    IF oldest < kept THEN
        RAISE EXCEPTION 'readings before % are no longer kept: none can be stored, changed or deleted there',
            to_char(kept AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
            USING ERRCODE = 'check_violation', CONSTRAINT = 'reading_kept', TABLE = 'reading',
                HINT = 'Their figures stay as they are. The server''s option --keep-readings says how long readings are kept.';
    END IF;
END $$;
COMMENT ON FUNCTION refuse_dropped(timestamptz) IS 'Raises an error where readings of an instant are no longer kept.';

CREATE OR REPLACE FUNCTION reading_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    oldest timestamptz;
    most integer := nullif(TG_ARGV[0], 'all');
BEGIN
    IF TG_OP = 'UPDATE' THEN
        WITH noted AS (
            INSERT INTO reading_change (hour, channel_id)
            SELECT hour, unnest(CASE WHEN count(DISTINCT channel_id) > most OR bool_or(gone) AND most IS NOT NULL
                                     THEN ARRAY[0] ELSE array_agg(DISTINCT channel_id) END)
            FROM (SELECT time_bucket('1 hour', ts) AS hour, channel_id, false AS gone FROM changed
                  UNION ALL
                  SELECT hour, channel_id, true
                  FROM (SELECT time_bucket('1 hour', ts) AS hour, channel_id, customer_id, group_id, billing_day FROM before
                        EXCEPT
                        SELECT time_bucket('1 hour', ts), channel_id, customer_id, group_id, billing_day FROM changed) AS b) AS r
            GROUP BY hour
            RETURNING hour)
        SELECT min(hour) INTO oldest FROM noted;
    ELSE
        WITH noted AS (
            INSERT INTO reading_change (hour, channel_id)
            SELECT hour, unnest(CASE WHEN count(*) > most THEN ARRAY[0] ELSE array_agg(channel_id) END)
            FROM (SELECT DISTINCT time_bucket('1 hour', ts) AS hour, channel_id FROM changed) r
            GROUP BY hour
            RETURNING hour)
        SELECT min(hour) INTO oldest FROM noted;
    END IF;
    PERFORM refuse_dropped(oldest);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION reading_changed() IS 'Notes in reading_change which channels'' readings a statement changed, and in which hours.';

-- A columnstore has no transition table of deleted rows: each row notes its hour, once in a transaction.
CREATE OR REPLACE FUNCTION reading_row_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse_dropped(OLD.ts);
    INSERT INTO reading_change (hour, channel_id)
    SELECT time_bucket('1 hour', OLD.ts), 0
    WHERE NOT EXISTS (SELECT FROM reading_change AS c
                      WHERE c.hour = time_bucket('1 hour', OLD.ts) AND c.channel_id = 0
                        AND c.changed_by = pg_current_xact_id());
    RETURN NULL;
END $$;
COMMENT ON FUNCTION reading_row_deleted() IS 'Notes in reading_change that a reading of an hour was deleted.';

CREATE OR REPLACE FUNCTION readings_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM kept_from WHERE relation = 'reading') THEN
        RAISE EXCEPTION 'reading cannot be truncated: figures of readings that are no longer kept would stay behind'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'reading_kept', TABLE = 'reading',
                HINT = 'DELETE FROM reading deletes those that are kept, and the figures follow.';
    END IF;
    INSERT INTO reading_change (hour, channel_id)
    SELECT hour, 0
    FROM timescaledb_information.chunks,
         generate_series(range_start, range_end - interval '1 hour', interval '1 hour') AS hour
    WHERE hypertable_schema = 'public' AND hypertable_name = 'reading';
    UPDATE rollup_generation SET oldest_chunk = NULL;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION readings_truncated() IS 'Notes in reading_change that the readings of all hours go.';

DROP TRIGGER IF EXISTS reading_inserted ON reading;
CREATE TRIGGER reading_inserted AFTER INSERT ON reading REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION reading_changed('{detail}');
DROP TRIGGER IF EXISTS reading_updated ON reading;
CREATE TRIGGER reading_updated AFTER UPDATE ON reading REFERENCING OLD TABLE AS before NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION reading_changed('{detail}');
DROP TRIGGER IF EXISTS reading_truncated ON reading;
CREATE TRIGGER reading_truncated BEFORE TRUNCATE ON reading
    FOR EACH STATEMENT EXECUTE FUNCTION readings_truncated();
DROP TRIGGER IF EXISTS reading_deleted ON reading;
CREATE TRIGGER reading_deleted AFTER DELETE ON reading {deleted};
