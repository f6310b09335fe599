-- verify.registers.increments: readings that add something else
INSERT INTO verify_fold (channel_id, ts, event_key, increment)
SELECT * FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[], $4::bigint[])
