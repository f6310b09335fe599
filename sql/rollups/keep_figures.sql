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

DO $$
DECLARE
    materialization text := (
        SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
        FROM timescaledb_information.continuous_aggregates
        WHERE view_schema = 'public' AND view_name = 'channel_hourly');
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER refuse_blind_refresh BEFORE DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION refuse_blind_refresh()',
        materialization);
END $$;
