-- profiles.report: the device $2 has the settings $3
INSERT INTO device_report AS r (device_id, provider_id, settings, reported_at)
VALUES ($2, $1, $3, now())
ON CONFLICT (device_id) DO UPDATE SET settings = excluded.settings, reported_at = excluded.reported_at
