-- events.forget_minutes: what came in of customers in minutes that began more than so many seconds ago ($1); at most so many rows ($2)
DELETE FROM listened_minute
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM listened_minute WHERE minute < now() - $1::double precision * interval '1 second' LIMIT $2))
