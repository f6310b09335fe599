-- Takes from PUBLIC what PostgreSQL and TimescaleDB give to it in this database, as far as whoever asks may: what the
-- servers' role, the owner of the readings, needs of it is granted to that one.
DO $$
DECLARE
    servers name := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.reading'::regclass);
    here name := current_database();
    of record;
BEGIN
    -- Temporary tables and functions.
    IF (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = here) THEN
        EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', here, servers);
        EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC', here);
    END IF;
    -- Whatever is in the schema public, and TimescaleDB's views. Its other schemas it must find for whoever reads a
    -- hypertable; there the tables and functions are closed.
    FOR of IN
        SELECT n.nspname FROM pg_namespace AS n
        WHERE n.nspname IN ('public', 'timescaledb_information', 'timescaledb_experimental')
          AND pg_has_role(n.nspowner, 'USAGE')
          AND EXISTS (SELECT FROM aclexplode(n.nspacl) AS a WHERE a.grantee = 0)
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', of.nspname, servers);
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', of.nspname);
    END LOOP;
    FOR of IN
        SELECT c.oid::regclass AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname LIKE '\_timescaledb\_%' AND pg_has_role(c.relowner, 'USAGE')
          AND c.relkind IN ('r', 'v', 'S') AND EXISTS (SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee = 0)
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO %I', of.name, servers);
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', of.name);
    END LOOP;
    -- So are Meterbase's own functions, and those of PostgreSQL that write, or that make the servers wait: they take
    -- advisory locks themselves.
    FOR of IN
        SELECT p.oid::regprocedure AS name FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE CASE
                WHEN n.nspname LIKE '\_timescaledb\_%' THEN true
                WHEN n.nspname = 'public' THEN
                    NOT EXISTS (SELECT FROM pg_depend AS d
                                WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
                WHEN n.nspname = 'pg_catalog' THEN
                    p.proname ~ '^(pg_(try_)?advisory_.*|lo_creat|lo_create|lo_from_bytea|pg_logical_emit_message|txid_current|pg_current_xact_id)$'
              END
          AND pg_has_role(p.proowner, 'USAGE')
          AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) AS a WHERE a.grantee = 0))
    LOOP
        EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %I', of.name, servers);
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', of.name);
    END LOOP;
END $$;
