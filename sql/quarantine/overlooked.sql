-- quarantine.overlooked: what is known though readings in quarantine wait for it: where they came before servers tried
-- them again, or were put there by hand
INSERT INTO quarantine_due (provider_id, kind, name)
SELECT w.provider_id, 'device', w.device
FROM (SELECT DISTINCT provider_id, device FROM quarantine WHERE code = 'unknown_device') AS w
JOIN device d ON d.provider_id = w.provider_id AND d.key = w.device
UNION ALL
SELECT w.provider_id, 'device', w.device
FROM (SELECT DISTINCT provider_id, device, bound_key_id FROM quarantine WHERE code = 'device_unapproved') AS w
JOIN api_key k ON k.key_id = w.bound_key_id AND k.device_id IS NOT NULL
UNION ALL
SELECT w.provider_id, 'metric', w.metric
FROM (SELECT DISTINCT provider_id, metric FROM quarantine WHERE code = 'unknown_metric') AS w
JOIN metric m ON m.provider_id = w.provider_id AND m.key = w.metric
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
