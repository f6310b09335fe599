-- profiles.reported: what a device last said of its configuration
SELECT profile_uuid, profile, version, acknowledged_at, settings, reported_at
FROM device_report
WHERE provider_id = $1 AND device_id = $2
