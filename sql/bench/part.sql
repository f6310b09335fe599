-- bench.part: the rows of one transaction, sorted as the server sorts them, in the format of COPY; none has an id
COPY (SELECT channel_id, ts, value, increment, customer_id, group_id, billing_day
      FROM bench_row WHERE part = {part} ORDER BY channel_id, ts, event_key)
TO STDOUT (FORMAT binary)
