-- verify.registers.believed: readings under suspicion that follow from those before them
INSERT INTO verify_fold (channel_id, ts, event_key, believed)
SELECT *, true FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[])
