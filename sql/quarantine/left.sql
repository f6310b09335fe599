-- quarantine.left: adds readings that left the quarantine to the accounts of the keys that sent them
INSERT INTO accounting AS a
    (day, provider_id, key_id, slot, received, stored, duplicates, conflicts, quarantined, rejected, requests,
     replayed_stored, replayed_duplicates, expired, deleted)
SELECT (statement_timestamp() AT TIME ZONE 'UTC')::date, provider_id, key_id, pg_backend_pid() % 16,
       0, 0, 0, 0, 0, 0, 0, stored, duplicates, expired, deleted
FROM unnest($1::integer[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    AS gone (provider_id, key_id, stored, duplicates, expired, deleted)
ORDER BY provider_id, key_id
ON CONFLICT (provider_id, day, key_id, slot) DO UPDATE
SET replayed_stored = a.replayed_stored + excluded.replayed_stored,
    replayed_duplicates = a.replayed_duplicates + excluded.replayed_duplicates,
    expired = a.expired + excluded.expired,
    deleted = a.deleted + excluded.deleted
