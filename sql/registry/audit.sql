-- audit.write
INSERT INTO audit (provider_id, key_id, action, entity, before, after)
SELECT $1, $2, $3, entity, before, after
FROM unnest($4::text[], $5::jsonb[], $6::jsonb[]) AS entry (entity, before, after)
