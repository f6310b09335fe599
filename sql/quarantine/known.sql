-- quarantine.known: of each of these readings, in their order, the place of the first that is the same, and whether it is
-- in quarantine already
SELECT first, q.quarantine_id IS NOT NULL AS is_there
FROM (
    SELECT sent.*, first_value(place) OVER (
        PARTITION BY provider_id, device, metric, ts, dimensions, coalesce(event_id, ''), value, bound_key_id ORDER BY place) AS first
    FROM unnest($1::integer[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::jsonb[],
                $8::integer[])
        WITH ORDINALITY AS sent (provider_id, device, metric, ts, value, event_id, dimensions, bound_key_id, place)) AS s
LEFT JOIN quarantine q
    ON q.provider_id = s.provider_id AND q.device = s.device AND q.metric = s.metric AND q.ts = s.ts
    AND q.dimensions = s.dimensions AND coalesce(q.event_id, '') = coalesce(s.event_id, '') AND md5(q.value) = md5(s.value)
    AND coalesce(q.bound_key_id, 0) = coalesce(s.bound_key_id, 0)
ORDER BY place
