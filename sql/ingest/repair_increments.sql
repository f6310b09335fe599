-- ingest.repair_increments: of the readings that now come behind another one; $5 and $6 are their first and last instant
UPDATE reading r
SET increment = repaired.increment
FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[], $4::bigint[])
    AS repaired (channel_id, ts, event_key, increment)
WHERE r.channel_id = repaired.channel_id AND r.ts = repaired.ts AND r.event_key = repaired.event_key
  AND r.ts BETWEEN $5 AND $6
  AND r.increment <> repaired.increment
