-- profiles.put: by key ($2), made when it is new with the id $4; or by id ($3), which must be there. No row where nothing
-- is to be changed; else there is another version.
WITH target (key) AS (
    SELECT $2::text WHERE $2::text IS NOT NULL
    UNION ALL
    SELECT key FROM profile WHERE provider_id = $1 AND uuid = $3),
put AS (
    INSERT INTO profile AS p (uuid, provider_id, key, name, model_like, firmware_like, literals, definition)
    SELECT $4, $1, key, $5, $6, $7, $8, $9 FROM target
    ON CONFLICT ON CONSTRAINT profile_key_key DO UPDATE
    SET version = p.version + 1,
        name = excluded.name,
        model_like = excluded.model_like,
        firmware_like = excluded.firmware_like,
        literals = excluded.literals,
        definition = excluded.definition,
        updated_at = now()
    WHERE (p.name, p.definition) IS DISTINCT FROM (excluded.name, excluded.definition)
    RETURNING profile_id, version, name, definition)
INSERT INTO profile_version (profile_id, version, name, definition)
SELECT profile_id, version, name, definition FROM put
RETURNING version = 1 AS created
