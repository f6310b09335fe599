-- webhooks.rotate: another secret ($2); the one before signs too for some seconds ($3)
UPDATE webhook
SET previous_secret = secret, previous_until = now() + $3::double precision * interval '1 second',
    secret = $2, rotated_at = now(), updated_at = now()
WHERE webhook_id = $1
