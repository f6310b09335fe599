-- Gives each column of the views its meaning.
DO $$
DECLARE
    of record;
BEGIN
    FOR of IN
        SELECT a.attrelid::regclass AS view, a.attname AS name, m.about
        FROM (VALUES
        {columns}) AS m (name, about)
        JOIN pg_attribute AS a ON a.attname = m.name AND a.attnum > 0
        JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind = 'v' AND c.relnamespace = 'analytics'::regnamespace
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', of.view, of.name, of.about);
    END LOOP;
END $$;
