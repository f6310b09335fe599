-- The schema as lines of text, in an order of their own: what the migrations made ($1 false), or the rollups and the
-- triggers that feed them ($1 true), which differ between editions. Nothing of extensions, TimescaleDB's chunks, or of
-- the tool that runs the migrations. $2: names of the rollups, $3: of the functions that come with them.
WITH relation AS (
    SELECT c.oid, c.relname::text AS name, c.relkind, m.oid AS indexed, m.relname AS indexed_name
    FROM pg_class AS c
    LEFT JOIN timescaledb_information.continuous_aggregates AS a
           ON a.view_schema = 'public' AND a.view_name = c.relname AND c.relkind = 'v'
    LEFT JOIN pg_class AS m ON m.relname = a.materialization_hypertable_name
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND c.relname <> 'refinery_schema_history'
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
      AND (c.relname = ANY ($2)) = $1),
line (kind, name, section, place, text) AS (
    SELECT CASE relation.relkind WHEN 'r' THEN 2 ELSE 4 END, name, 0, '',
           CASE WHEN relkind = 'r' THEN 'table ' WHEN indexed IS NULL THEN 'view ' ELSE 'continuous aggregate ' END
           || name || ': ' || coalesce(obj_description(oid, 'pg_class'), '(no comment)')
    FROM relation
    UNION ALL
    SELECT CASE relation.relkind WHEN 'r' THEN 2 ELSE 4 END, name, 1, lpad(a.attnum::text, 5),
           '    ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
           || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
           || CASE WHEN a.attidentity <> '' THEN ' identity' ELSE '' END
           || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
           || ': ' || coalesce(col_description(a.attrelid, a.attnum), '(no comment)')
    FROM relation
    JOIN pg_attribute AS a ON a.attrelid = oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    UNION ALL
    SELECT 2, name, 2, conname, '    constraint ' || conname || ' ' || pg_get_constraintdef(c.oid)
    FROM relation JOIN pg_constraint AS c ON c.conrelid = relation.oid
    WHERE c.contype NOT IN ('n', 't')
    UNION ALL
    -- Those of a continuous aggregate are on its materialisation, whose name is a number.
    SELECT CASE relation.relkind WHEN 'r' THEN 2 ELSE 4 END, name, 3, i.relname,
           '    ' || replace(replace(pg_get_indexdef(i.oid), '_timescaledb_internal.', ''), coalesce(indexed_name, ''), name)
    FROM relation
    JOIN pg_index AS x ON x.indrelid = coalesce(indexed, relation.oid)
    JOIN pg_class AS i ON i.oid = x.indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.oid)
    UNION ALL
    SELECT 4, name, 4, '', '    ' || CASE WHEN a.materialized_only THEN 'materialized only' ELSE 'real time' END
    FROM relation JOIN timescaledb_information.continuous_aggregates AS a ON a.view_name = name
    UNION ALL
    SELECT 4, name, 5, j.proc_name, '    ' || j.proc_name || ' every ' || j.schedule_interval
           || coalesce(' after ' || (j.config->>'compress_after'),
                       ' from ' || coalesce(j.config->>'start_offset', 'the beginning') || ' to ' || (j.config->>'end_offset') || ' ago')
    FROM (SELECT name, coalesce(indexed_name, name) AS hypertable FROM relation UNION SELECT 'reading', 'reading') AS h
    JOIN timescaledb_information.jobs AS j ON j.hypertable_name = h.hypertable
    WHERE $1
    UNION ALL
    SELECT CASE relation.relkind WHEN 'r' THEN 2 ELSE 4 END, name, 6, '', '    chunks of ' || d.time_interval
    FROM relation JOIN timescaledb_information.dimensions AS d ON d.hypertable_name = coalesce(indexed_name, name)
    UNION ALL
    SELECT 5, c.relname, 7, t.tgname, 'trigger ' || pg_get_triggerdef(t.oid)
    FROM pg_trigger AS t
    JOIN pg_class AS c ON c.oid = t.tgrelid
    JOIN pg_proc AS p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace AND p.pronamespace = 'public'::regnamespace
      AND (p.proname = ANY ($3)) = $1
    UNION ALL
    SELECT 6, p.proname, 0, pg_get_function_identity_arguments(p.oid),
           'function ' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ') returns '
           || pg_get_function_result(p.oid)
           || CASE p.provolatile WHEN 'i' THEN ' immutable' WHEN 's' THEN ' stable' ELSE '' END
           || ': ' || coalesce(obj_description(p.oid, 'pg_proc'), '(no comment)')
    FROM pg_proc AS p
    WHERE p.pronamespace = 'public'::regnamespace AND (p.proname = ANY ($3)) = $1
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 1, t.typname, 0, c.conname,
           'domain ' || t.typname || ' ' || format_type(t.typbasetype, t.typtypmod)
           || coalesce(' constraint ' || c.conname || ' ' || pg_get_constraintdef(c.oid), '')
           || ': ' || coalesce(obj_description(t.oid, 'pg_type'), '(no comment)')
    FROM pg_type AS t LEFT JOIN pg_constraint AS c ON c.contypid = t.oid
    WHERE t.typtype = 'd' AND t.typnamespace = 'public'::regnamespace AND NOT $1)
SELECT text FROM line ORDER BY kind, name COLLATE "C", section, place COLLATE "C", text COLLATE "C"
