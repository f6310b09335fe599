-- customers.list: of those that are seen ($2) by key, behind $3; those directly below $4; those with the pattern $5 in key or name; with the time
-- zones of today
WITH page AS MATERIALIZED (
    SELECT *
    FROM customer
    WHERE provider_id = $1
      AND ($2::integer[] IS NULL OR customer_id = ANY ($2))
      AND key::text > coalesce($3, '')
      AND ($4::integer IS NULL OR parent_id = $4)
      AND ($5::text IS NULL OR key::text ILIKE $5 OR name ILIKE $5)
    ORDER BY key::text
    LIMIT $6)
SELECT c.customer_id, c.uuid AS id, c.key::text, c.name, above.key::text AS parent,
       coalesce(
           (SELECT z.time_zone::text FROM customer_time_zone z
            WHERE z.customer_id = c.customer_id
              AND z.from_day <= greatest(k.first_day, billing_day(now(), k.time_zone))
            ORDER BY z.from_day DESC
            LIMIT 1), c.time_zone::text) AS time_zone,
       k.time_zone AS billing_time_zone, c.billing_anchor, customer_billing_anchor(c.customer_id) AS billing_month_anchor,
       c.created_at, c.updated_at
FROM page c
JOIN customer_calendars(ARRAY(SELECT customer_id FROM page)) AS k
    ON k.customer_id = c.customer_id AND k.since <= now() AND now() < k.until
LEFT JOIN customer above ON above.customer_id = c.parent_id AND ($2::integer[] IS NULL OR above.customer_id = ANY ($2))
ORDER BY c.key::text
