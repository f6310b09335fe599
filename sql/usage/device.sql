-- usage.device: one device, with the customers that own or owned it
SELECT d.device_id, d.key::text,
       array(SELECT DISTINCT a.customer_id FROM assignment a WHERE a.device_id = d.device_id) AS customers
FROM device d
WHERE d.provider_id = $1 AND (d.key::text = $2 OR d.uuid = $3)
