-- Data as version 13 of the schema holds it: keys of parts, one that was rotated, a token, a reading that a key of a part sent,
-- and a change from somewhere.
INSERT INTO api_key (uuid, provider_id, scope, lookup, secret_hash, customer_id, previous_hash, previous_until, rotated_at,
                     last_used_at)
VALUES ('01890000-0000-7000-8000-000000000131', 1, 'read', 'lookup-131', decode(repeat('ab', 32), 'hex'), 1,
        decode(repeat('cd', 32), 'hex'), '2026-03-02T00:00:00Z', '2026-03-01T00:00:00Z', '2026-03-01T10:00:00Z');
INSERT INTO api_key (uuid, provider_id, scope, lookup, secret_hash, device_id)
VALUES ('01890000-0000-7000-8000-000000000132', 1, 'ingest', 'lookup-132', decode(repeat('ab', 32), 'hex'), 1);
INSERT INTO portal_token (uuid, key_id, provider_id, customer_id, lookup, secret_hash, expires_at)
VALUES ('01890000-0000-7000-8000-000000000133', 1, 1, 1, 'lookup-133', decode(repeat('ef', 32), 'hex'), '2026-03-01T01:00:00Z');
INSERT INTO quarantine (provider_id, device, metric, ts, value, code, key_id, bound_key_id)
SELECT 1, 'meter-9', 'energy', '2026-03-01T00:00:00Z', '1', 'unknown_device', key_id, key_id
FROM api_key WHERE lookup = 'lookup-132';
INSERT INTO audit (provider_id, key_id, address, action, entity, after)
VALUES (1, 1, '192.0.2.17', 'customer.create', 'acme', '{"key": "acme"}');
