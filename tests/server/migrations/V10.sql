-- A log of changes as versions 3 to 10 hold it: of several transactions, hours as a whole, and many channels of an hour.
INSERT INTO reading_change (hour, channel_id, changed_at, changed_by)
SELECT hour, channel_id, '2026-02-01T10:00:00Z', '700'
FROM generate_series(timestamptz '2026-01-31T22:00:00Z', '2026-02-01T02:00:00Z', interval '1 hour') AS hour,
     generate_series(1, 3) AS channel_id;
INSERT INTO reading_change (hour, channel_id, changed_at, changed_by)
SELECT '2026-02-01T00:00:00Z', channel_id, '2026-02-01T10:00:05Z', '701' FROM generate_series(1, 25000) AS channel_id;
INSERT INTO reading_change (hour, channel_id, changed_at, changed_by)
VALUES ('2026-02-01T00:00:00Z', 0, '2026-02-01T10:00:05Z', '701'), ('2026-02-01T01:00:00Z', 0, '2026-02-01T10:00:06Z', '702'),
       ('2026-02-01T01:00:00Z', 0, '2026-02-01T10:00:06Z', '702');
