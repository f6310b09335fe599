-- registers.decide: only while its reading is kept, for else nothing could be added to it
UPDATE review v
SET decision = $2, increment = $3, note = $4, key_id = $5, decided_at = now(), updated_at = now()
WHERE v.review_id = $1
  AND EXISTS (SELECT FROM reading r WHERE r.channel_id = $6 AND r.ts = $7 AND r.event_key = $8)
