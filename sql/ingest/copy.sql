-- ingest.copy: readings that are new, in the binary format; recorded_at is the start of the transaction
COPY {into} (channel_id, ts, event_key, event_id, value, increment, customer_id, group_id, billing_day)
FROM STDIN (FORMAT binary)
