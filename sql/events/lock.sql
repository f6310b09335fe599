-- events.lock: until the transaction ends nobody else numbers events of these providers
SELECT pg_advisory_xact_lock($1, provider_id)
FROM (SELECT DISTINCT provider_id FROM unnest($2::integer[]) AS provider_id ORDER BY provider_id) AS providers
