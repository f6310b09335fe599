-- Data as version 2 of the schema holds it.
INSERT INTO reading (ts, recorded_at, value, increment, event_key, channel_id, customer_id, group_id, billing_day, event_id) VALUES
    ('2026-01-31T22:59:59Z', '2026-02-01T08:00:00Z', 1000, 0, 0, 1, 1, 0, '2026-01-31', NULL),
    ('2026-01-31T23:00:00Z', '2026-02-01T08:00:00Z', 2500, 1500, 0, 1, 1, 0, '2026-02-01', NULL),
    ('2026-02-01T03:29:59Z', '2026-02-01T08:00:00Z', 2600, 100, 0, 1, 2, 1, '2026-01-31', NULL),
    ('2026-02-01T03:30:00Z', '2026-02-01T08:00:00Z', 9223372036854775807, 9223372036854775807, 0, 2, 2, 1, '2026-02-01', NULL),
    ('2026-02-01T03:30:00Z', '2026-02-01T08:00:00Z', 9223372036854775807, 9223372036854775807, 77, 2, 2, 1, '2026-02-01', 'event-77'),
    ('2026-02-28T12:00:00Z', '2026-02-28T12:00:01Z', -3, -3, 0, 3, 1, 0, '2026-02-28', NULL);
INSERT INTO quarantine (provider_id, device, metric, ts, value, event_id, dimensions, code)
VALUES (1, 'meter-9', 'energy', '2026-02-01T00:00:00Z', '0.028999999999999998', NULL, '{"tariff": "day"}', 'unknown_device');
