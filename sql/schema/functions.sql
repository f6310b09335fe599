-- Functions that can be redefined: re-applied at every start of a new version.

CREATE OR REPLACE FUNCTION customer_subtree(root integer) RETURNS SETOF integer
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100 AS $$
    WITH RECURSIVE below (customer_id) AS (
        SELECT root
        UNION ALL
        SELECT c.customer_id FROM below b JOIN customer c ON c.parent_id = b.customer_id)
    SELECT customer_id FROM below
$$;
COMMENT ON FUNCTION customer_subtree(integer) IS 'A customer and all its sub-customers, to any depth.';

CREATE OR REPLACE FUNCTION billing_day(ts timestamptz, time_zone text) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (ts AT TIME ZONE time_zone)::date
$$;
COMMENT ON FUNCTION billing_day(timestamptz, text) IS 'The calendar day of an instant in a time zone.';

CREATE OR REPLACE FUNCTION day_start(day date, time_zone text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- Of a midnight that comes twice PostgreSQL takes the second; the first is that of the clock as it was before.
    SELECT CASE WHEN b.earlier < m.midnight AND (b.earlier AT TIME ZONE time_zone)::date >= day
                THEN b.earlier ELSE m.midnight END
    FROM (SELECT day::timestamp AT TIME ZONE time_zone AS midnight) AS m
    CROSS JOIN LATERAL (SELECT m.midnight - interval '6 hours' AS before) AS a
    CROSS JOIN LATERAL (
        SELECT a.before + (day::timestamp - (a.before AT TIME ZONE time_zone)) AS earlier) AS b
$$;
COMMENT ON FUNCTION day_start(date, text) IS 'The first instant of a calendar day in a time zone; the end of the gap where clocks skip midnight.';

-- In PL/pgSQL because that keeps the plan: each batch of readings asks for its owners' calendars.
CREATE OR REPLACE FUNCTION customer_calendars(of_customers integer[])
RETURNS TABLE (customer_id integer, first_day date, since timestamptz, until timestamptz, time_zone text)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    -- What is said above a customer counts before the first change of its own, and not at all once it has a zone.
    WITH RECURSIVE above (of_customer, customer_id, parent_id, provider_id, time_zone, changes_before) AS (
        SELECT c.customer_id, c.customer_id, c.parent_id, c.provider_id, c.time_zone::text, date 'infinity'
        FROM customer c
        WHERE c.customer_id = ANY (of_customers)
        UNION ALL
        SELECT a.of_customer, c.customer_id, c.parent_id, c.provider_id, c.time_zone::text,
               least(a.changes_before,
                     (SELECT min(z.from_day) FROM customer_time_zone z WHERE z.customer_id = a.customer_id))
        FROM above a
        JOIN customer c ON c.customer_id = a.parent_id
        WHERE a.time_zone IS NULL),
    said (of_customer, first_day, time_zone) AS (
        SELECT a.of_customer, z.from_day, z.time_zone::text
        FROM above a
        JOIN customer_time_zone z USING (customer_id)
        WHERE z.from_day < a.changes_before
        UNION ALL
        SELECT a.of_customer, date '-infinity', coalesce(a.time_zone, p.time_zone)
        FROM above a
        JOIN provider p USING (provider_id)
        WHERE a.time_zone IS NOT NULL OR a.parent_id IS NULL),
    changed (of_customer, first_day, time_zone, before) AS (
        SELECT * FROM (
            SELECT s.*, lag(s.time_zone) OVER (PARTITION BY s.of_customer ORDER BY s.first_day) AS before FROM said s) AS s
        WHERE s.before IS DISTINCT FROM s.time_zone),
    -- The day before ends at midnight in the zone before; days never go back.
    begun (of_customer, first_day, time_zone, since) AS (
        SELECT c.of_customer, c.first_day, c.time_zone,
               max(CASE WHEN c.before IS NULL THEN timestamptz '-infinity' ELSE day_start(c.first_day, c.before) END)
                   OVER (PARTITION BY c.of_customer ORDER BY c.first_day)
        FROM changed c)
    SELECT b.of_customer, b.first_day, b.since,
           lead(b.since, 1, timestamptz 'infinity') OVER (PARTITION BY b.of_customer ORDER BY b.first_day),
           b.time_zone
    FROM begun b;
END $$;
COMMENT ON FUNCTION customer_calendars(integer[]) IS 'The billing calendars of customers: stretches of time, each of days of one time zone. The billing day of an instant that is not before since and before until is greatest(first_day, billing_day(ts, time_zone)). What has no start or end is infinite.';

CREATE OR REPLACE FUNCTION customer_time_zone(of_customer integer) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT k.time_zone
    FROM customer_calendars(ARRAY[of_customer]) AS k
    WHERE k.since <= now() AND now() < k.until
$$;
COMMENT ON FUNCTION customer_time_zone(integer) IS 'The billing time zone of a customer that holds now: its own, or the nearest above it, or the provider''s.';

CREATE OR REPLACE FUNCTION customer_billing_anchor(of_customer integer) RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE above (parent_id, billing_anchor, distance) AS (
        SELECT parent_id, billing_anchor, 0 FROM customer WHERE customer_id = of_customer
        UNION ALL
        SELECT c.parent_id, c.billing_anchor, a.distance + 1
        FROM above a JOIN customer c ON c.customer_id = a.parent_id
        WHERE a.billing_anchor IS NULL)
    SELECT coalesce(billing_anchor, 1)::integer FROM above ORDER BY distance DESC LIMIT 1
$$;
COMMENT ON FUNCTION customer_billing_anchor(integer) IS 'The day of the month on which a customer''s billing months begin: its own, or that of the nearest above it, or 1.';

-- In a function, because each of its statements sees what was committed before it: the version is read after the lock is
-- there, however long that took.
CREATE OR REPLACE FUNCTION keep_stamping(providers integer[], waits boolean, OUT provider_id integer, OUT version bigint)
RETURNS SETOF record LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    kept integer[] := providers;
BEGIN
    PERFORM pg_current_xact_id();
    IF waits THEN
        PERFORM pg_advisory_xact_lock_shared(1297371714, id) FROM unnest(providers) AS id ORDER BY id;
    ELSE
        kept := ARRAY(SELECT id FROM unnest(providers) AS id WHERE pg_try_advisory_xact_lock_shared(1297371714, id));
    END IF;
    RETURN QUERY SELECT v.provider_id, v.version FROM registry_version AS v WHERE v.provider_id = ANY (kept);
END $$;
COMMENT ON FUNCTION keep_stamping(integer[], boolean) IS 'Keeps what decides how readings of providers are stamped as it is until the transaction ends; tells the version of that. Waits for those who change it, or leaves out their providers.';

-- In a function for the same reason: who began to listen while the lock was waited for is told.
CREATE OR REPLACE FUNCTION listened_customers(of_provider integer) RETURNS integer[]
LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(SELECT customer_id FROM listened_customer WHERE provider_id = of_provider AND until > now());
END $$;
COMMENT ON FUNCTION listened_customers(integer) IS 'The customers of a provider that somebody who sees them with all below them listens to.';
