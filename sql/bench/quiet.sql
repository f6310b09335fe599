-- bench.quiet: another provider with one customer and $1 devices
WITH made AS (
    INSERT INTO provider (uuid, key, name) VALUES (gen_random_uuid(), 'quiet', 'meterbase bench fairness')
    RETURNING provider_id),
counted AS (
    INSERT INTO metric (uuid, provider_id, key, name, unit, kind)
    SELECT gen_random_uuid(), provider_id, 'energy', 'Energy', 'kWh', 'delta' FROM made),
owner AS (
    INSERT INTO customer (uuid, provider_id, key, name)
    SELECT gen_random_uuid(), provider_id, 'all', 'All' FROM made
    RETURNING provider_id, customer_id),
devices AS (
    INSERT INTO device (uuid, provider_id, key)
    SELECT gen_random_uuid(), provider_id, 'd-' || n FROM owner, generate_series(0, $1::integer - 1) AS n
    RETURNING provider_id, device_id)
INSERT INTO assignment (provider_id, device_id, customer_id, during)
SELECT provider_id, d.device_id, o.customer_id, '(,)' FROM devices AS d JOIN owner AS o USING (provider_id)
