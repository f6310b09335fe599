-- enroll.claimed: the devices of a provider ($1) that are registered with a serial number ($2), as key or as such; whether
-- each can be enrolled for a customer ($3) and group ($4): it is theirs, and nobody enrolled as it
SELECT d.key::text,
       a.customer_id = $3 AND a.group_id IS NOT DISTINCT FROM $4
           AND NOT EXISTS (SELECT FROM enrollment e WHERE e.provider_id = $1 AND e.device = d.key) AS free
FROM device d
LEFT JOIN assignment a ON a.device_id = d.device_id AND upper_inf(a.during) AND d.retired_at IS NULL
WHERE d.provider_id = $1 AND (d.key::text = $2 OR d.serial = $2)
