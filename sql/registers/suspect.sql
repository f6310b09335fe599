-- registers.suspect: readings that do not follow from those before them, for the first time or for other reasons
INSERT INTO review AS v (uuid, provider_id, channel_id, ts, event_key, value, kind, repeated, trusted_ts,
                         trusted_event_key, trusted_value, accepting)
SELECT new.uuid, c.provider_id, new.channel_id, new.ts, new.event_key, new.value, new.kind, new.repeated,
       new.trusted_ts, new.trusted_event_key, new.trusted_value, new.accepting
FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[], $4::text[], $5::boolean[], $6::timestamptz[],
            $7::bigint[], $8::bigint[], $9::bigint[], $10::uuid[], $11::bigint[])
    AS new (channel_id, ts, event_key, kind, repeated, trusted_ts, trusted_event_key, trusted_value, accepting, uuid, value)
JOIN channel c USING (channel_id)
ORDER BY new.channel_id, new.ts, new.event_key
ON CONFLICT ON CONSTRAINT review_reading_key DO UPDATE
SET kind = excluded.kind,
    repeated = excluded.repeated,
    trusted_ts = excluded.trusted_ts,
    trusted_event_key = excluded.trusted_event_key,
    trusted_value = excluded.trusted_value,
    accepting = excluded.accepting,
    suspect = true,
    cleared = false,
    updated_at = now()
