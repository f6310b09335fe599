-- A row of this day or month changes every few seconds, and so do those beside it: a page is filled by half, so that their
-- next versions come into the same page and nothing is written to the indexes.
DO $$
BEGIN
    EXECUTE format('ALTER TABLE %s SET (fillfactor = 50)', coalesce(
        (SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
         FROM timescaledb_information.continuous_aggregates
         WHERE view_schema = 'public' AND view_name = '{name}'), '{name}'));
END $$;
