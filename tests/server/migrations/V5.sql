-- Data as version 5 of the schema holds it.
INSERT INTO review (uuid, provider_id, channel_id, ts, event_key, value, kind, trusted_ts, trusted_event_key,
                    trusted_value, accepting, suspect, repeated, cleared, decision, increment, note, key_id, decided_at)
SELECT ('01890000-0000-7000-8000-0000000001' || to_char(number, 'FM00'))::uuid, 1, 1,
       timestamptz '2026-02-01T00:00:00Z' + number * interval '1 hour', 0, 7, kind, '2026-01-31T22:59:59Z', 0, 1000, 7,
       suspect, repeated, cleared, decision, increment, note, key_id, decided_at
FROM (VALUES
    (1, 'jump', true, false, false, NULL, NULL::bigint, NULL, NULL::integer, NULL::timestamptz),
    (2, 'decrease', true, false, false, 'accepted', -5, 'read again', 1, '2026-02-02T00:00:00Z'),
    (3, 'decrease', true, false, true, 'dismissed', NULL, NULL, NULL, '2026-02-02T00:00:00Z'),
    (4, 'reset', true, false, false, NULL, NULL, NULL, NULL, NULL),
    (5, 'decrease', true, true, false, NULL, NULL, NULL, NULL, NULL),
    (6, 'decrease', false, false, false, NULL, NULL, NULL, NULL, NULL))
    AS sample (number, kind, suspect, repeated, cleared, decision, increment, note, key_id, decided_at);
INSERT INTO replacement (uuid, channel_id, at, final_value, initial_value, note, key_id)
VALUES ('01890000-0000-7000-8000-000000000201', 1, '2026-02-03T00:00:00Z', 5000, 250, 'seal', 1);
INSERT INTO register_rule (metric_id, until, rollover_at, max_per_hour) VALUES (1, '2026-02-04T00:00:00Z', NULL, 7);
