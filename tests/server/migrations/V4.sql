-- Data as version 4 of the schema holds it.
INSERT INTO api_key (uuid, provider_id, scope, name, lookup, secret_hash)
VALUES ('01890000-0000-7000-8000-000000000009', 1, 'ingest', 'gateway', 'lookup', decode(repeat('ab', 32), 'hex'));
INSERT INTO audit (provider_id, key_id, action, entity, before, after)
VALUES (1, 1, 'device.move', 'meter-1', '{"customer": "acme"}', '{"customer": "acme-north"}');
