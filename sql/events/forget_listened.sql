-- events.forget_listened: customers to which nobody listens any more, for so many seconds ($1); at most so many ($2)
DELETE FROM listened_customer
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM listened_customer
    WHERE until < now() - $1::double precision * interval '1 second'
    LIMIT $2
    FOR UPDATE SKIP LOCKED))
