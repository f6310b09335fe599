-- ingest.quarantine: keeps readings that cannot be stored yet; a repetition is kept once
INSERT INTO quarantine (provider_id, device, metric, ts, value, event_id, dimensions, code)
SELECT provider_id, device, metric, ts, value, event_id, dimensions, code
FROM unnest($1::integer[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::jsonb[], $8::text[])
    AS sent (provider_id, device, metric, ts, value, event_id, dimensions, code)
ORDER BY provider_id, device, metric, ts, dimensions, event_id, value
ON CONFLICT DO NOTHING
