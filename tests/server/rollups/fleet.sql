-- Two providers, customers in zones that are hard on calendars, groups, devices, metrics, and a channel for each device
-- and metric of a provider.
INSERT INTO provider (uuid, key, name, time_zone)
SELECT gen_random_uuid(), 'provider-' || n, 'Provider', 'UTC' FROM generate_series(1, 2) AS n;

INSERT INTO customer (uuid, provider_id, key, name, time_zone)
SELECT gen_random_uuid(), p.provider_id, 'customer-' || p.provider_id || '-' || z.n, 'Customer', z.zone
FROM provider AS p,
     unnest(ARRAY['Europe/Paris', 'Asia/Kathmandu', 'America/St_Johns', 'Pacific/Apia', 'UTC']) WITH ORDINALITY AS z (zone, n);

INSERT INTO device_group (uuid, provider_id, customer_id, key, name)
SELECT gen_random_uuid(), provider_id, customer_id, 'group-' || customer_id || '-' || n, 'Group'
FROM customer, generate_series(1, 2) AS n;

INSERT INTO metric (uuid, provider_id, key, name, unit, kind)
SELECT gen_random_uuid(), provider_id, kind, 'Metric', '', kind
FROM provider, unnest(ARRAY['delta', 'gauge']) AS kind;

INSERT INTO device (uuid, provider_id, key)
SELECT gen_random_uuid(), provider_id, 'device-' || provider_id || '-' || n
FROM provider, generate_series(1, 12) AS n;

INSERT INTO channel (provider_id, device_id, metric_id)
SELECT provider_id, device_id, metric_id FROM device JOIN metric USING (provider_id);
