-- Data as version 17 of the schema holds it: an event, a webhook with two secrets, and a delivery that failed once.
INSERT INTO event (uuid, provider_id, customer_id, type, subject, at, data)
VALUES ('01890000-0000-7000-8000-000000000171', 1, 1, 'alert.firing', 'night-use', '2026-03-01T00:00:00Z', '{"state": "firing"}');
INSERT INTO webhook (uuid, provider_id, key, url, events, enabled, secret, rotated_at, previous_secret, previous_until, failures, failing_since)
VALUES ('01890000-0000-7000-8000-000000000172', 1, 'pager', 'https://example.com/hook', '{alert.firing}', true,
        decode(repeat('ab', 32), 'hex'), '2026-02-01T00:00:00Z', decode(repeat('cd', 32), 'hex'), '2026-02-02T00:00:00Z', 1, '2026-03-01T00:00:01Z');
INSERT INTO webhook_delivery (uuid, webhook_id, event_id, attempts, due_at, retry_until, created_at)
VALUES ('01890000-0000-7000-8000-000000000173', 1, 1, 1, '2026-03-01T00:00:06Z', '2026-03-02T00:00:00Z', '2026-03-01T00:00:00Z');
INSERT INTO webhook_attempt (delivery_id, number, at, millis, status, error)
VALUES (1, 1, '2026-03-01T00:00:00Z', 15, 500, 'answered 500');
