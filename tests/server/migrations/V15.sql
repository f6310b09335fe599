-- Data as version 15 of the schema holds it: a token, a device that enrolled with it, and one that waits.
INSERT INTO enrollment_token (uuid, provider_id, customer_id, lookup, secret_hash, approval, uses_allowed, uses, expires_at)
VALUES ('01890000-0000-7000-8000-000000000151', 1, 1, 'lookup-151', decode(repeat('ab', 32), 'hex'), true, 5, 2, '2026-04-01T00:00:00Z');
INSERT INTO api_key (uuid, provider_id, scope, lookup, secret_hash, device_id, applicant)
VALUES ('01890000-0000-7000-8000-000000000152', 1, 'ingest', 'lookup-152', decode(repeat('ab', 32), 'hex'), 1, NULL),
       ('01890000-0000-7000-8000-000000000153', 1, 'ingest', 'lookup-153', decode(repeat('ab', 32), 'hex'), NULL, 'S-2');
INSERT INTO enrollment (uuid, provider_id, token_id, device, serial, model, proves, state, decided_at, key_id)
SELECT '01890000-0000-7000-8000-000000000154'::uuid, 1, 1, d.key, 'S-1', 'MB-050', true, 'approved', '2026-03-01T00:00:00Z'::timestamptz, k.key_id
FROM device d, api_key k
WHERE d.device_id = 1 AND k.lookup = 'lookup-152'
UNION ALL
SELECT '01890000-0000-7000-8000-000000000155', 1, 1, 'S-2', 'S-2', NULL, false, 'pending', NULL, key_id
FROM api_key
WHERE lookup = 'lookup-153';
