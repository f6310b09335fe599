-- audit.write
INSERT INTO audit (provider_id, key_id, address, action, entity, before, after)
SELECT $1, $2, $3::inet, $4, entity, before, after
FROM unnest($5::text[], $6::jsonb[], $7::jsonb[]) WITH ORDINALITY AS entry (entity, before, after, place)
ORDER BY place
