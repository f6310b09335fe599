-- ingest.insert: the readings of a batch, sorted by their identity; returns those that are new
INSERT INTO reading (channel_id, ts, event_key, event_id, value, increment, customer_id, group_id, billing_day, recorded_at)
SELECT channel_id, ts, event_key, event_id, value, increment, customer_id, group_id, billing_day, statement_timestamp()
FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::integer[],
            $8::integer[], $9::date[])
    AS new (channel_id, ts, event_key, event_id, value, increment, customer_id, group_id, billing_day)
ON CONFLICT (channel_id, ts, event_key) DO NOTHING
RETURNING channel_id, ts, event_key
