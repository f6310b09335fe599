-- bench.without_index: takes the indexes of bench_plain away
DO $$
DECLARE
    index regclass;
BEGIN
    FOR index IN SELECT indexrelid FROM pg_index WHERE indrelid = 'bench_plain'::regclass LOOP
        EXECUTE format('DROP INDEX %s', index);
    END LOOP;
END $$
