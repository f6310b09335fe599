-- quarantine.expire: takes some readings out of quarantine that have been there for longer than a number of seconds ($1);
-- tells how many, by provider and key
WITH old AS MATERIALIZED (
    SELECT quarantine_id
    FROM quarantine
    WHERE recorded_at < now() - make_interval(secs => $1)
    ORDER BY quarantine_id
    LIMIT $2
    FOR UPDATE SKIP LOCKED),
gone AS (
    DELETE FROM quarantine q USING old WHERE q.quarantine_id = old.quarantine_id
    RETURNING q.provider_id, q.key_id)
SELECT provider_id, key_id, count(*) FROM gone GROUP BY provider_id, key_id
