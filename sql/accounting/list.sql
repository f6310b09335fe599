-- accounting.list: of a provider ($1), from a day on ($2), before one ($3), of one key ($4) if these are given, of all keys
-- together where that is wanted ($8), behind a day and a key ($5, $6)
SELECT a.day, a.key_number, k.uuid AS key_id, k.name AS key_name, a.requests, a.received, a.stored, a.duplicates,
       a.conflicts, a.quarantined, a.rejected, a.kept, a.replayed_stored, a.replayed_duplicates, a.expired, a.deleted
FROM (
    SELECT day, n.key_number, sum(requests)::bigint AS requests, sum(received)::bigint AS received,
           sum(stored)::bigint AS stored, sum(duplicates)::bigint AS duplicates, sum(conflicts)::bigint AS conflicts,
           sum(quarantined)::bigint AS quarantined, sum(rejected)::bigint AS rejected, sum(kept)::bigint AS kept,
           sum(replayed_stored)::bigint AS replayed_stored, sum(replayed_duplicates)::bigint AS replayed_duplicates,
           sum(expired)::bigint AS expired, sum(deleted)::bigint AS deleted
    FROM accounting
    CROSS JOIN LATERAL (SELECT CASE WHEN $8 THEN 0 ELSE key_id END AS key_number) AS n
    WHERE provider_id = $1
      AND ($2::date IS NULL OR day >= $2)
      AND ($3::date IS NULL OR day < $3)
      AND ($4::uuid IS NULL OR key_id = (SELECT named.key_id FROM api_key named WHERE named.uuid = $4))
      AND day >= $5::date
      AND (day, n.key_number) > ($5::date, $6::integer)
    GROUP BY day, n.key_number
    ORDER BY day, n.key_number
    LIMIT $7) AS a
LEFT JOIN api_key k ON k.key_id = a.key_number
ORDER BY a.day, a.key_number
