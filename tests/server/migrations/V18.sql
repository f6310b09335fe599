-- Data as version 18 of the schema holds it: an alert of a customer that fires, and its history.
INSERT INTO alert (uuid, provider_id, key, name, customer_id, metric_id, rule, version, state, changed_at, memory)
VALUES ('01890000-0000-7000-8000-000000000181', 1, 'night-use', 'Night use', 1, 1, '{"kind": "threshold"}', 2, 'firing', '2026-03-01T00:00:00Z',
        '{"since": "2026-02-01T00:00:00Z", "passed": [{"period": {"day": "2026-03-01"}, "level": 1, "told": 1}]}');
INSERT INTO alert_history (alert_id, at, state, told)
VALUES (1, '2026-03-01T00:00:00Z', 'firing', '{"period": "2026-03-01", "value": "12"}');
