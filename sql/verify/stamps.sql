-- verify.stamps: readings of [$1, $2) whose channel, customer, group or billing day is not what the registry says
WITH calendar AS MATERIALIZED (
    SELECT * FROM customer_calendars(ARRAY(SELECT customer_id FROM customer)))
SELECT 'reading' AS name, r.ts AS at, r.billing_day AS billing,
       p.key::text AS provider, o.key::text AS customer, g.key::text AS "group",
       coalesce(v.key::text, '#' || r.channel_id) AS device, m.key::text AS metric, c.dimensions,
       ARRAY[CASE WHEN c.channel_id IS NULL THEN 'unknown' ELSE 'known' END,
             coalesce(k.key::text, '#' || r.customer_id), coalesce(kg.key::text, '#' || nullif(r.group_id, 0)),
             r.billing_day::text] AS kept,
       ARRAY['known', o.key::text, g.key::text, greatest(z.first_day, billing_day(r.ts, z.time_zone))::text] AS should,
       false AS pending
FROM reading r
LEFT JOIN channel c USING (channel_id)
LEFT JOIN verify_owner w ON w.channel_id = r.channel_id AND r.ts >= w.since AND r.ts < w.until
LEFT JOIN calendar z ON z.customer_id = w.customer_id AND r.ts >= z.since AND r.ts < z.until
LEFT JOIN provider p ON p.provider_id = c.provider_id
LEFT JOIN device v ON v.device_id = c.device_id
LEFT JOIN metric m ON m.metric_id = c.metric_id
LEFT JOIN customer o ON o.customer_id = w.customer_id
LEFT JOIN device_group g ON g.group_id = w.group_id
LEFT JOIN customer k ON k.customer_id = r.customer_id
LEFT JOIN device_group kg ON kg.group_id = r.group_id
WHERE r.ts >= $1 AND r.ts < $2
  AND ($3::integer[] IS NULL OR r.channel_id = ANY ($3))
  AND (($4::integer[] IS NULL AND $5::integer[] IS NULL) OR r.customer_id = ANY ($4) OR r.group_id = ANY ($5))
  AND ($6::integer IS NULL OR c.provider_id = $6)
  AND (r.customer_id, r.group_id, r.billing_day)
      IS DISTINCT FROM (w.customer_id, w.group_id, greatest(z.first_day, billing_day(r.ts, z.time_zone)))
