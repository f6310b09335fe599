-- quarantine.delete: takes readings of a provider ($1) out of quarantine, with a code ($2), of a device ($3), of a metric
-- ($4), from an instant on ($5), before one ($6) if that is given; tells how many, by key. Locked in one order, so that none
-- wait in a circle.
WITH named AS MATERIALIZED (
    SELECT quarantine_id
    FROM quarantine
    WHERE provider_id = $1
      AND ($2::text IS NULL OR code = $2)
      AND ($3::text IS NULL OR device = $3)
      AND ($4::text IS NULL OR metric = $4)
      AND ($5::timestamptz IS NULL OR ts >= $5)
      AND ($6::timestamptz IS NULL OR ts < $6)
    ORDER BY quarantine_id
    FOR UPDATE),
gone AS (
    DELETE FROM quarantine q USING named WHERE q.quarantine_id = named.quarantine_id
    RETURNING q.provider_id, q.key_id)
SELECT provider_id, key_id, count(*) FROM gone GROUP BY provider_id, key_id
