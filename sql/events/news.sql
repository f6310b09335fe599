-- events.news: of providers ($1), or of a customer of each with all below it ($2, null for all of the provider), the number
-- of the provider's last event and what came in, in each of the last minutes
SELECT p.provider_id, p.customer_id, coalesce(e.event_id, 0) AS last_event, a.minute,
       coalesce(a.received, 0) AS received, coalesce(a.stored, 0) AS stored, coalesce(a.duplicates, 0) AS duplicates,
       coalesce(a.conflicts, 0) AS conflicts, coalesce(a.quarantined, 0) AS quarantined, coalesce(a.rejected, 0) AS rejected
FROM unnest($1::integer[], $2::integer[]) AS p (provider_id, customer_id)
LEFT JOIN LATERAL (
    SELECT event_id FROM event WHERE provider_id = p.provider_id ORDER BY event_id DESC LIMIT 1) e ON true
LEFT JOIN LATERAL (
    SELECT minute, sum(received)::bigint AS received, sum(stored)::bigint AS stored, sum(duplicates)::bigint AS duplicates,
           sum(conflicts)::bigint AS conflicts, sum(quarantined)::bigint AS quarantined, sum(rejected)::bigint AS rejected
    FROM (
        SELECT minute, received, stored, duplicates, conflicts, quarantined, rejected
        FROM accounting_minute
        WHERE p.customer_id IS NULL AND provider_id = p.provider_id AND minute >= now() - interval '10 minutes'
        UNION ALL
        SELECT minute, stored + duplicates + conflicts, stored, duplicates, conflicts, 0, 0
        FROM listened_minute
        WHERE provider_id = p.provider_id AND customer_id = p.customer_id AND minute >= now() - interval '10 minutes') AS r
    GROUP BY minute) a ON true
