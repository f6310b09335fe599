-- webhooks.leave: attempts ($1) that were broken off; others make them now
UPDATE webhook_delivery
SET claim = NULL, due_at = now() + $2::double precision * interval '1 second'
WHERE claim = ANY ($1::uuid[])
