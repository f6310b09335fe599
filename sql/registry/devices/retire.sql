-- devices.retire: ends the open assignment and the service of the device at the same instant; again, it does nothing
WITH ended AS (
    UPDATE assignment
    SET during = tstzrange(lower(during), greatest($2, lower(during) + interval '1 microsecond'))
    WHERE device_id = $1 AND upper_inf(during)
    RETURNING device_id, upper(during) AS at)
UPDATE device d
SET retired_at = ended.at, updated_at = now()
FROM ended
WHERE d.device_id = ended.device_id
