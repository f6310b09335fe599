-- Data as version 14 of the schema holds it: a profile in two versions, a device that names it, and what that said.
INSERT INTO profile (uuid, provider_id, key, name, model_like, literals, definition)
VALUES ('01890000-0000-7000-8000-000000000141', 1, 'meter', 'Meter', 'MB-%', 3, '{"format": "p1", "fields": []}');
UPDATE profile SET version = 2, definition = '{"format": "p1", "fields": [], "interval": "15m"}';
INSERT INTO profile_version (profile_id, version, name, definition)
SELECT profile_id, number, 'Meter', '{"format": "p1", "fields": []}' FROM profile, generate_series(1, 2) AS number;
UPDATE device SET model = 'MB-050', firmware = '5.0.2', serial = '17', profile_id = 1 WHERE device_id = 1;
INSERT INTO device_report (device_id, provider_id, profile_uuid, profile, version, acknowledged_at, settings, reported_at)
VALUES (1, 1, '01890000-0000-7000-8000-000000000141', 'meter', 1, '2026-03-01T00:00:00Z', '{}', '2026-03-01T00:00:01Z');
