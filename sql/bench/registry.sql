-- bench.registry: provider, metric, a customer with $1 customers below it in four time zones, $2 groups of those
WITH made AS (
    INSERT INTO provider (uuid, key, name) VALUES (gen_random_uuid(), 'bench', '{name}')
    RETURNING provider_id),
counted AS (
    INSERT INTO metric (uuid, provider_id, key, name, unit, kind)
    SELECT gen_random_uuid(), provider_id, 'energy', 'Energy', 'kWh', 'delta' FROM made),
root AS (
    INSERT INTO customer (uuid, provider_id, key, name)
    SELECT gen_random_uuid(), provider_id, 'all', 'All' FROM made
    RETURNING provider_id, customer_id),
below AS (
    INSERT INTO customer (uuid, provider_id, key, name, parent_id, time_zone)
    SELECT gen_random_uuid(), provider_id, 'c-' || n, 'Customer ' || n, customer_id,
           (ARRAY['UTC', 'Europe/Paris', 'Asia/Kolkata', 'America/New_York'])[1 + n % 4]
    FROM root, generate_series(0, $1::integer - 1) AS n
    RETURNING provider_id, customer_id, key)
INSERT INTO device_group (uuid, provider_id, customer_id, key, name)
SELECT gen_random_uuid(), b.provider_id, b.customer_id, 'g-' || n, 'Group ' || n
FROM generate_series(0, $2::integer - 1) AS n
JOIN below AS b ON b.key = 'c-' || n % $1
