-- customers.get: among those that are seen ($2), with the time zones of today
SELECT c.customer_id, c.uuid AS id, c.key::text, c.name, above.key::text AS parent,
       coalesce(
           (SELECT z.time_zone::text FROM customer_time_zone z
            WHERE z.customer_id = c.customer_id
              AND z.from_day <= greatest(k.first_day, billing_day(now(), k.time_zone))
            ORDER BY z.from_day DESC
            LIMIT 1), c.time_zone::text) AS time_zone,
       k.time_zone AS billing_time_zone, c.billing_anchor, customer_billing_anchor(c.customer_id) AS billing_month_anchor,
       c.created_at, c.updated_at
FROM customer c
JOIN LATERAL customer_calendars(ARRAY[c.customer_id]) AS k ON k.since <= now() AND now() < k.until
LEFT JOIN customer above ON above.customer_id = c.parent_id AND ($2::integer[] IS NULL OR above.customer_id = ANY ($2))
WHERE c.provider_id = $1
  AND ($2::integer[] IS NULL OR c.customer_id = ANY ($2))
  AND (c.key::text = $3 OR c.uuid = $4)
