-- ingest.count: adds what became of requests to the accounts of their keys; each of those who store at the same time has
-- a slot of its own, as far as there are enough
INSERT INTO accounting AS a
    (day, provider_id, key_id, slot, received, stored, duplicates, conflicts, quarantined, rejected, requests, kept)
SELECT (statement_timestamp() AT TIME ZONE 'UTC')::date, provider_id, key_id, pg_backend_pid() % 16,
       stored + duplicates + conflicts + quarantined + rejected, stored, duplicates, conflicts, quarantined, rejected, requests,
       kept
FROM unnest($1::integer[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bigint[])
    AS new (provider_id, key_id, stored, duplicates, conflicts, quarantined, rejected, requests, kept)
ORDER BY provider_id, key_id
ON CONFLICT (provider_id, day, key_id, slot) DO UPDATE
SET received = a.received + excluded.received,
    stored = a.stored + excluded.stored,
    duplicates = a.duplicates + excluded.duplicates,
    conflicts = a.conflicts + excluded.conflicts,
    quarantined = a.quarantined + excluded.quarantined,
    rejected = a.rejected + excluded.rejected,
    requests = a.requests + excluded.requests,
    kept = a.kept + excluded.kept
