-- webhooks.resend: a delivery that was made, given up or waits; not one that a server is making
UPDATE webhook_delivery
SET state = 'pending', due_at = now(), retry_until = greatest(retry_until, now() + $3::double precision * interval '1 second'),
    done_at = NULL
WHERE webhook_id = $1 AND uuid = $2 AND claim IS NULL
