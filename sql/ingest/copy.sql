-- ingest.copy: readings that are new, in the binary format; recorded_at is the start of the transaction
COPY {into} (channel_id, ts, value, increment, customer_id, group_id, billing_day{ids})
FROM STDIN (FORMAT binary)
