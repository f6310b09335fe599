-- A refresh deletes what is materialised and makes it again from its source. Where the source is gone, or some of it,
-- what is materialised must stay and nothing may come beside it: retention puts triggers with this function on the
-- hypertables below an instant.
CREATE OR REPLACE FUNCTION keep_figures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN NULL;
END $$;
COMMENT ON FUNCTION keep_figures() IS 'Keeps figures whose source is no longer kept, when somebody refreshes them.';

-- Where somebody drops chunks of readings by hand, no refresh may come before a server has taken notice.
CREATE OR REPLACE FUNCTION refuse_blind_refresh() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
DECLARE
    known timestamptz := (SELECT oldest_chunk FROM rollup_generation ORDER BY generation_id DESC LIMIT 1);
    oldest timestamptz := (
        SELECT _timescaledb_functions.to_timestamp(min(s.range_start))
        FROM _timescaledb_catalog.hypertable AS h
        JOIN _timescaledb_catalog.dimension AS d ON d.hypertable_id = h.id
        JOIN _timescaledb_catalog.dimension_slice AS s ON s.dimension_id = d.id
        WHERE h.schema_name = 'public' AND h.table_name = 'reading');
BEGIN
    IF known < coalesce(oldest, 'infinity') THEN
        RAISE EXCEPTION 'chunks of reading were dropped by hand: a refresh could erase figures that were made from them'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'A running server takes notice within seconds of the next reading; then refreshes keep those figures.';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION refuse_blind_refresh() IS 'Refuses to refresh channel_hourly between a drop of readings by hand and the server''s taking notice.';

-- What a refresh makes of readings that are still to be added must not be added to it. Refreshes of some releases merge.
CREATE OR REPLACE FUNCTION note_refresh() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
DECLARE
    refreshed tstzrange := coalesce(nullif(current_setting('{setting}', true), ''), '(,)');
BEGIN
    IF NOT isempty(refreshed) THEN
        INSERT INTO rollup_refresh (hours) VALUES (refreshed);
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION note_refresh() IS 'Notes in rollup_refresh which hours of channel_hourly somebody writes, other than row by row.';

DO $$
DECLARE
    materialization text := (
        SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
        FROM timescaledb_information.continuous_aggregates
        WHERE view_schema = 'public' AND view_name = 'channel_hourly');
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER refuse_blind_refresh BEFORE DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION refuse_blind_refresh()',
        materialization);
    EXECUTE format('CREATE OR REPLACE TRIGGER note_refresh BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION note_refresh()',
        materialization);
END $$;
