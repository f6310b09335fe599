-- ingest.count_listened: adds what came in of customers that somebody listens to, and of all below them, to what is told of
-- the minute; each of those who store at the same time has slots of its own, as far as there are enough
INSERT INTO listened_minute AS m (provider_id, customer_id, minute, slot, stored, duplicates, conflicts)
SELECT provider_id, customer_id, date_trunc('minute', statement_timestamp()), pg_backend_pid() % 16, stored, duplicates,
       conflicts
FROM unnest($1::integer[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[])
    AS new (provider_id, customer_id, stored, duplicates, conflicts)
ORDER BY provider_id, customer_id
ON CONFLICT (provider_id, customer_id, minute, slot) DO UPDATE
SET stored = m.stored + excluded.stored,
    duplicates = m.duplicates + excluded.duplicates,
    conflicts = m.conflicts + excluded.conflicts
