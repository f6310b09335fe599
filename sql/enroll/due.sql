-- enroll.due: has readings in quarantine tried again that a device posted before it was approved
INSERT INTO quarantine_due (provider_id, kind, name)
SELECT $1, 'device', $2
WHERE EXISTS (SELECT FROM quarantine WHERE provider_id = $1 AND device = $2 AND code = 'device_unapproved')
ON CONFLICT (provider_id, kind, name) DO UPDATE SET behind = 0
