-- Notes which hours' readings changed, once per statement however many rows it changed. The argument says how finely:
-- 'channel' where each channel's hour is recomputed by itself, 'hour' where all of an hour is.
CREATE OR REPLACE FUNCTION reading_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO reading_change (hour, channel_id)
        SELECT DISTINCT time_bucket('1 hour', r.ts), CASE TG_ARGV[0] WHEN 'channel' THEN r.channel_id ELSE 0 END
        FROM (SELECT ts, channel_id FROM before UNION ALL SELECT ts, channel_id FROM changed) r;
    ELSE
        INSERT INTO reading_change (hour, channel_id)
        SELECT DISTINCT time_bucket('1 hour', r.ts), CASE TG_ARGV[0] WHEN 'channel' THEN r.channel_id ELSE 0 END
        FROM changed r;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION reading_changed() IS 'Notes in reading_change which hours'' readings a statement changed.';

DROP TRIGGER IF EXISTS reading_inserted ON reading;
CREATE TRIGGER reading_inserted AFTER INSERT ON reading REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION reading_changed('{detail}');
DROP TRIGGER IF EXISTS reading_deleted ON reading;
CREATE TRIGGER reading_deleted AFTER DELETE ON reading REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION reading_changed('{detail}');
DROP TRIGGER IF EXISTS reading_updated ON reading;
CREATE TRIGGER reading_updated AFTER UPDATE ON reading REFERENCING OLD TABLE AS before NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION reading_changed('{detail}');
