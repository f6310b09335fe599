-- verify.registers.suspicious: readings that do not follow from those before them, or for other reasons
INSERT INTO verify_fold (channel_id, ts, event_key, kind, repeated, trusted_ts, trusted_event_key, trusted_value, accepting)
SELECT *
FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[], $4::text[], $5::boolean[], $6::timestamptz[],
            $7::bigint[], $8::bigint[], $9::bigint[])
