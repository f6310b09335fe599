-- events.listen: that somebody listens to customers ($2) of providers ($1), for so many seconds ($3) from now on; those of which
-- that was said less than half of it ago are left as they are
INSERT INTO listened_customer AS l (provider_id, customer_id, until)
SELECT c.provider_id, c.customer_id, now() + $3::double precision * interval '1 second'
FROM unnest($1::integer[], $2::integer[]) AS heard (provider_id, customer_id)
JOIN customer c USING (provider_id, customer_id)
WHERE NOT EXISTS (
    SELECT FROM listened_customer said
    WHERE said.provider_id = c.provider_id AND said.customer_id = c.customer_id
      AND said.until > now() + $3::double precision * interval '0.5 seconds')
ORDER BY c.provider_id, c.customer_id
FOR KEY SHARE OF c
ON CONFLICT (provider_id, customer_id) DO UPDATE SET until = greatest(l.until, excluded.until)
