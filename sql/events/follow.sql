-- events.follow: of a provider, and of the customers that are seen alone, behind one number ($3) up to another ($4); at most so
-- many ($5)
SELECT e.event_id, e.uuid AS id, e.type, p.key::text AS provider, c.key::text AS customer, e.subject, e.at, e.data
FROM event e
JOIN provider p USING (provider_id)
LEFT JOIN customer c ON c.customer_id = e.customer_id
WHERE e.provider_id = $1
  AND ($2::integer[] IS NULL OR e.customer_id = ANY ($2))
  AND e.event_id > $3
  AND e.event_id <= $4
ORDER BY e.event_id
LIMIT $5
