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

CREATE OR REPLACE FUNCTION customer_time_zone(of_customer integer) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE above (parent_id, provider_id, time_zone, distance) AS (
        SELECT parent_id, provider_id, time_zone, 0 FROM customer WHERE customer_id = of_customer
        UNION ALL
        SELECT c.parent_id, c.provider_id, c.time_zone, a.distance + 1
        FROM above a JOIN customer c ON c.customer_id = a.parent_id
        WHERE a.time_zone IS NULL)
    SELECT coalesce(a.time_zone, p.time_zone)::text
    FROM above a JOIN provider p USING (provider_id)
    ORDER BY a.distance DESC
    LIMIT 1
$$;
COMMENT ON FUNCTION customer_time_zone(integer) IS 'The billing time zone of a customer: its own, or the nearest above it, or the provider''s.';

CREATE OR REPLACE FUNCTION billing_day(ts timestamptz, time_zone text) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (ts AT TIME ZONE time_zone)::date
$$;
COMMENT ON FUNCTION billing_day(timestamptz, text) IS 'The calendar day of an instant in a time zone.';
