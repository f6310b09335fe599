-- Notes which channels' readings changed in which hours, once per statement however many rows it changed. An hour is
-- noted as a whole where a statement changes more channels in it than the argument says, or where a channel's readings
-- there leave an owner or a billing day: whose figures those were would be forgotten. 'all' where it never is. What is no
-- longer kept cannot change: the figures made from it could not follow.
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
    -- Rows of the log stay small enough to be followed one by one: a row has channels of a range of numbers.
    IF TG_OP = 'UPDATE' THEN
        WITH noted AS (
            INSERT INTO reading_change (hour, channels)
            SELECT hour, CASE WHEN count(DISTINCT channel_id) > most OR bool_or(gone) AND most IS NOT NULL
                              THEN NULL ELSE array_agg(DISTINCT channel_id) END
            FROM (SELECT time_bucket('1 hour', ts) AS hour, channel_id, false AS gone FROM changed
                  UNION ALL
                  SELECT time_bucket('1 hour', ts), channel_id, false FROM before
                  UNION ALL
                  SELECT hour, channel_id, true
                  FROM (SELECT time_bucket('1 hour', ts) AS hour, channel_id, customer_id, group_id, billing_day FROM before
                        EXCEPT
                        SELECT time_bucket('1 hour', ts), channel_id, customer_id, group_id, billing_day FROM changed) AS b
                  WHERE most IS NOT NULL) AS r
            GROUP BY hour, channel_id / 10000
            RETURNING hour)
        SELECT min(hour) INTO oldest FROM noted;
    ELSE
        WITH noted AS (
            INSERT INTO reading_change (hour, channels)
            SELECT hour, array_agg(channel_id)
            FROM (SELECT DISTINCT time_bucket('1 hour', ts) AS hour, channel_id FROM changed) AS r
            GROUP BY hour, channel_id / 10000
            RETURNING hour)
        SELECT min(hour) INTO oldest FROM noted;
    END IF;
    PERFORM refuse_dropped(oldest);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION reading_changed() IS 'Notes in reading_change which channels'' readings a statement changed, and in which hours.';

-- No trigger sees readings that are copied straight into their chunk: who copies them calls this then, in the same
-- transaction. Those who wait for all that store readings wait for locks on reading itself. A chunk that has gone to
-- the columnstore takes rows beside it and does not look for those in it, so that nothing may be copied there.
CREATE OR REPLACE FUNCTION readings_copied(
    into_chunk text, of_hours timestamptz[], ends integer[], of_channels integer[], of_billing_days date[],
    of_customers integer[], of_groups integer[], of_increment_sums bigint[], of_value_sums bigint[],
    of_first_times timestamptz[], of_counts integer[], of_value_mins bigint[], of_value_maxs bigint[],
    of_first_values bigint[], of_last_times timestamptz[], of_last_values bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE ONLY reading IN ROW EXCLUSIVE MODE;
    IF NOT EXISTS (SELECT FROM _timescaledb_catalog.chunk
                   WHERE id = _timescaledb_functions.chunk_id_from_relid(into_chunk::regclass) AND status = 0) THEN
        RAISE EXCEPTION 'readings were copied into %, which is not a plain chunk', into_chunk
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO reading_change (hour, channels, billing_day, customers, groups, increment_sums, value_sums, first_times,
                                counts, value_mins, value_maxs, first_values, last_times, last_values)
    SELECT hour, of_channels[first:last], billing_day, of_customers[first:last],
           of_groups[first:last], of_increment_sums[first:last], of_value_sums[first:last], of_first_times[first:last],
           of_counts[first:last], of_value_mins[first:last], of_value_maxs[first:last], of_first_values[first:last],
           of_last_times[first:last], of_last_values[first:last]
    FROM (SELECT hour, billing_day, 1 + lag(last, 1, 0) OVER (ORDER BY place) AS first, last
          FROM unnest(of_hours, of_billing_days, ends) WITH ORDINALITY AS n (hour, billing_day, last, place)) AS n;
    PERFORM refuse_dropped((SELECT min(hour) FROM unnest(of_hours) AS hour));
END $$;
COMMENT ON FUNCTION readings_copied(text, timestamptz[], integer[], integer[], date[], integer[], integer[], bigint[], bigint[], timestamptz[], integer[], bigint[], bigint[], bigint[], timestamptz[], bigint[]) IS 'Notes in reading_change readings that were copied into a chunk: its rows, each with where its elements end among those of all; null for columns that are. Raises an error where nothing may be copied to.';

-- A columnstore has no transition table of deleted rows: each row notes its hour, once in a transaction.
CREATE OR REPLACE FUNCTION reading_row_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse_dropped(OLD.ts);
    INSERT INTO reading_change (hour)
    SELECT time_bucket('1 hour', OLD.ts)
    WHERE NOT EXISTS (SELECT FROM reading_change AS c
                      WHERE c.hour = time_bucket('1 hour', OLD.ts) AND c.channels IS NULL
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
    INSERT INTO reading_change (hour)
    SELECT hour
    FROM timescaledb_information.chunks,
         generate_series(range_start, range_end - interval '1 hour', interval '1 hour') AS hour
    WHERE hypertable_schema = 'public' AND hypertable_name = 'reading';
    UPDATE rollup_generation SET oldest_chunk = NULL;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION readings_truncated() IS 'Notes in reading_change that the readings of all hours go.';

DROP TRIGGER IF EXISTS reading_inserted ON reading;
CREATE TRIGGER reading_inserted AFTER INSERT ON reading REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION readings_added();
DROP TRIGGER IF EXISTS reading_updated ON reading;
CREATE TRIGGER reading_updated AFTER UPDATE ON reading REFERENCING OLD TABLE AS before NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION reading_changed('{detail}');
DROP TRIGGER IF EXISTS reading_truncated ON reading;
CREATE TRIGGER reading_truncated BEFORE TRUNCATE ON reading
    FOR EACH STATEMENT EXECUTE FUNCTION readings_truncated();
DROP TRIGGER IF EXISTS reading_deleted ON reading;
CREATE TRIGGER reading_deleted AFTER DELETE ON reading {deleted};
