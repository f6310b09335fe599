-- bench.devices: the devices numbered from $1 to before $2 of $3 groups, each in its group, with its channel
WITH made AS (
    INSERT INTO device (uuid, provider_id, key)
    SELECT gen_random_uuid(), p.provider_id, 'd-' || n
    FROM provider AS p, generate_series($1::integer, $2::integer - 1) AS n
    WHERE p.key = 'bench'
    RETURNING provider_id, device_id, key),
owned AS (
    INSERT INTO assignment (provider_id, device_id, customer_id, group_id, during)
    SELECT d.provider_id, d.device_id, g.customer_id, g.group_id, '(,)'
    FROM made AS d
    JOIN device_group AS g ON g.provider_id = d.provider_id AND g.key = 'g-' || substr(d.key, 3)::integer % $3)
INSERT INTO channel (provider_id, device_id, metric_id)
SELECT d.provider_id, d.device_id, m.metric_id FROM made AS d JOIN metric AS m USING (provider_id)
