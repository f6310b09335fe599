-- devices.compare: for each device wanted, in order, the one that is there and what of it differs
SELECT d.device_id, d.uuid AS id,
       (d.name, d.kind, d.model, d.firmware, d.serial, d.profile_id, d.retired_at)
           IS DISTINCT FROM (w.name, w.kind, w.model, w.firmware, w.serial, w.profile_id, NULL::timestamptz)
           AS described_otherwise,
       (a.customer_id, a.group_id) IS DISTINCT FROM (w.customer_id, w.group_id) AS owned_otherwise
FROM unnest($2::text[], $3::text[], $4::text[], $5::integer[], $6::integer[], $7::text[], $8::text[], $9::text[],
            $10::integer[])
     WITH ORDINALITY AS w (key, name, kind, customer_id, group_id, model, firmware, serial, profile_id, place)
LEFT JOIN device d ON d.provider_id = $1 AND d.key::text = w.key
LEFT JOIN assignment a ON a.device_id = d.device_id AND upper_inf(a.during)
ORDER BY w.place
