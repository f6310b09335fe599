-- ingest.count: adds what became of requests to the accounts of their keys, and of the minute; each of those who store at the
-- same time has slots of its own, as far as there are enough
WITH new AS (
    SELECT provider_id, key_id, stored + duplicates + conflicts + quarantined + rejected AS received, stored, duplicates,
           conflicts, quarantined, rejected, requests, kept, (pg_backend_pid() % 16)::smallint AS slot
    FROM unnest($1::integer[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                $8::bigint[], $9::bigint[])
        AS new (provider_id, key_id, stored, duplicates, conflicts, quarantined, rejected, requests, kept)),
minutes AS (
    INSERT INTO accounting_minute AS m
        (provider_id, minute, slot, received, stored, duplicates, conflicts, quarantined, rejected)
    SELECT provider_id, date_trunc('minute', statement_timestamp()), slot, sum(received), sum(stored), sum(duplicates),
           sum(conflicts), sum(quarantined), sum(rejected)
    FROM new
    GROUP BY provider_id, slot
    ORDER BY provider_id
    ON CONFLICT (provider_id, minute, slot) DO UPDATE
    SET received = m.received + excluded.received,
        stored = m.stored + excluded.stored,
        duplicates = m.duplicates + excluded.duplicates,
        conflicts = m.conflicts + excluded.conflicts,
        quarantined = m.quarantined + excluded.quarantined,
        rejected = m.rejected + excluded.rejected)
INSERT INTO accounting AS a
    (day, provider_id, key_id, slot, received, stored, duplicates, conflicts, quarantined, rejected, requests, kept)
SELECT (statement_timestamp() AT TIME ZONE 'UTC')::date, provider_id, key_id, slot, received, stored, duplicates, conflicts,
       quarantined, rejected, requests, kept
FROM new
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
