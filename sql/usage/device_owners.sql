-- usage.device_owners: of devices ($2) the customers that own or owned each, and the one that owns it now or owned it last
SELECT d.device_id,
       array(SELECT DISTINCT a.customer_id FROM assignment a WHERE a.device_id = d.device_id) AS customers,
       (SELECT a.customer_id FROM assignment a
        WHERE a.device_id = d.device_id AND coalesce(lower(a.during), '-infinity') <= now()
        ORDER BY lower(a.during) DESC NULLS LAST
        LIMIT 1) AS owner
FROM device d
WHERE d.provider_id = $1 AND d.device_id = ANY ($2)
