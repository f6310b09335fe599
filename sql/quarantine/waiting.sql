-- quarantine.waiting: how many readings of a provider ($1) are in quarantine, of a device ($2), of a metric ($3), from an
-- instant on ($4), before one ($5) if that is given
SELECT count(*)
FROM quarantine
WHERE provider_id = $1
  AND ($2::text IS NULL OR device = $2)
  AND ($3::text IS NULL OR metric = $3)
  AND ($4::timestamptz IS NULL OR ts >= $4)
  AND ($5::timestamptz IS NULL OR ts < $5)
