-- Functions of the schema analytics. Analysts may call them.

CREATE OR REPLACE VIEW visible_provider AS
SELECT p.provider_id
FROM analyst AS a
JOIN provider AS p ON a.provider_id IS NULL OR a.provider_id = p.provider_id
WHERE a.role_name = current_user;
COMMENT ON VIEW visible_provider IS 'The providers that the views of the schema analytics show to whoever asks.';
COMMENT ON COLUMN visible_provider.provider_id IS 'The provider.';

CREATE OR REPLACE FUNCTION analytics.mean(total numeric, number bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT CASE WHEN 2 * abs(rest) > number OR (2 * abs(rest) = number AND mod(whole, 2) <> 0)
                THEN whole + sign(total) ELSE whole END
    FROM (SELECT div(total, number::numeric) AS whole, mod(total, number::numeric) AS rest) AS d
$$;
COMMENT ON FUNCTION analytics.mean(numeric, bigint) IS 'A mean as a whole number, rounded half to even; an error of no number.';

-- It runs as its owner, so it says itself whose calendars are asked for: those of the role that called it.
CREATE OR REPLACE FUNCTION analytics.calendars(of_customer integer)
RETURNS TABLE (first_day date, since timestamptz, until timestamptz, time_zone text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp ROWS 2 AS $$
    SELECT k.first_day, k.since, k.until, k.time_zone
    FROM customer AS c
    CROSS JOIN LATERAL customer_calendars(ARRAY[c.customer_id]) AS k
    WHERE c.customer_id = of_customer
      AND EXISTS (
          SELECT FROM analyst AS a
          WHERE a.role_name = CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END
            AND (a.provider_id IS NULL OR a.provider_id = c.provider_id))
$$;
COMMENT ON FUNCTION analytics.calendars(integer) IS 'The billing calendar of a customer that whoever calls may see: stretches of time, each of days of one time zone.';
