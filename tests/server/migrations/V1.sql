-- Data as version 1 of the schema holds it.
INSERT INTO provider (uuid, key, name, time_zone)
VALUES ('01890000-0000-7000-8000-000000000001', 'north', 'North', 'Europe/Paris');
INSERT INTO customer (uuid, provider_id, key, name, parent_id, time_zone) VALUES
    ('01890000-0000-7000-8000-000000000002', 1, 'acme', 'Acme', NULL, NULL),
    ('01890000-0000-7000-8000-000000000003', 1, 'acme-north', 'Acme''s north', 1, 'America/St_Johns');
INSERT INTO device_group (uuid, provider_id, customer_id, key, name, kind)
VALUES ('01890000-0000-7000-8000-000000000004', 1, 2, 'site-1', 'Site 1', 'site');
INSERT INTO device (uuid, provider_id, key, name, kind, retired_at) VALUES
    ('01890000-0000-7000-8000-000000000005', 1, 'meter-1', 'Meter 1', 'device', NULL),
    ('01890000-0000-7000-8000-000000000006', 1, 'gateway-1', NULL, 'gateway', '2026-03-01T00:00:00Z');
INSERT INTO assignment (provider_id, device_id, customer_id, group_id, during) VALUES
    (1, 1, 1, NULL, '[,2026-02-01T00:00:00Z)'),
    (1, 1, 2, 1, '[2026-02-01T00:00:00Z,)'),
    (1, 2, 1, NULL, '[,)');
INSERT INTO metric (uuid, provider_id, key, name, unit, kind, scale, strict, rollover_at) VALUES
    ('01890000-0000-7000-8000-000000000007', 1, 'energy', 'Energy', 'kWh', 'register', 3, true, 100000000),
    ('01890000-0000-7000-8000-000000000008', 1, 'messages', 'Messages', '', 'delta', 0, false, NULL);
INSERT INTO channel (provider_id, device_id, metric_id, dimensions) VALUES
    (1, 1, 1, '{}'), (1, 1, 1, '{"tariff": "night"}'), (1, 2, 2, '{}');
