-- retention.keep: $1 is kept from $2 on; never from an earlier instant than before
INSERT INTO kept_from AS k (relation, since) VALUES ($1, $2)
ON CONFLICT (relation) DO UPDATE SET since = excluded.since, updated_at = now()
WHERE k.since < excluded.since
