-- quarantine.keep: keeps readings that cannot be stored yet, numbered as they came; a repetition is kept once. Tells how
-- many are new, by provider and key. They are inserted in one order, so that two who keep the same ones do not wait for
-- each other in a circle.
WITH sent AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('quarantine', 'quarantine_id')) AS quarantine_id, s.*
    FROM unnest($1::integer[], $2::integer[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[],
                $8::jsonb[], $9::text[], $10::integer[])
        AS s (provider_id, key_id, device, metric, ts, value, event_id, dimensions, code, bound_key_id)),
kept AS (
    INSERT INTO quarantine (quarantine_id, provider_id, key_id, device, metric, ts, value, event_id, dimensions, code,
                            bound_key_id)
    OVERRIDING SYSTEM VALUE
    SELECT quarantine_id, provider_id, key_id, device, metric, ts, value, event_id, dimensions, code, bound_key_id
    FROM sent
    ORDER BY provider_id, device, metric, ts, dimensions, event_id, value, quarantine_id
    ON CONFLICT DO NOTHING
    RETURNING provider_id, key_id)
SELECT provider_id, key_id, count(*) FROM kept GROUP BY provider_id, key_id
