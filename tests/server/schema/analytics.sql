-- The schema analytics as lines of text: what views and functions there are, the columns with types and comments, and that
-- each view is a security barrier.
WITH line (kind, name, section, place, text) AS (
    SELECT 1, c.relname::text, 0, 0,
           'view ' || c.relname || CASE WHEN 'security_barrier=true' = ANY (c.reloptions) THEN '' ELSE ' WITHOUT BARRIER' END
           || ': ' || coalesce(obj_description(c.oid, 'pg_class'), '(no comment)')
    FROM pg_class AS c WHERE c.relnamespace = 'analytics'::regnamespace
    UNION ALL
    SELECT 1, c.relname::text, 1, a.attnum,
           '    ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ': '
           || coalesce(col_description(c.oid, a.attnum), '(no comment)')
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'analytics'::regnamespace
    UNION ALL
    SELECT 2, p.proname::text, 0, 0,
           'function ' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ') returns '
           || pg_get_function_result(p.oid) || ': ' || coalesce(obj_description(p.oid, 'pg_proc'), '(no comment)')
    FROM pg_proc AS p WHERE p.pronamespace = 'analytics'::regnamespace)
SELECT text FROM line ORDER BY kind, name COLLATE "C", section, place, text COLLATE "C"
