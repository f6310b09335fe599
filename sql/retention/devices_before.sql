-- retention.devices_before: whether one of the devices $1 has or had readings before $2
SELECT EXISTS (SELECT FROM channel
               WHERE device_id = ANY ($1::integer[]) AND coalesce(first_ts, '-infinity') < $2)
