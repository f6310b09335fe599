-- quarantine.matching: the first readings of a provider ($1) in quarantine behind a position ($2), with a code ($3), of a
-- device ($4), of a metric ($5), from an instant on ($6), before one ($7) if that is given
SELECT quarantine_id
FROM quarantine
WHERE provider_id = $1 AND quarantine_id > $2
  AND ($3::text IS NULL OR code = $3)
  AND ($4::text IS NULL OR device = $4)
  AND ($5::text IS NULL OR metric = $5)
  AND ($6::timestamptz IS NULL OR ts >= $6)
  AND ($7::timestamptz IS NULL OR ts < $7)
ORDER BY quarantine_id
LIMIT $8
