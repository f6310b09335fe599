-- accounting.forget_minutes: minutes that began more than so many seconds ago ($1); at most so many rows ($2)
DELETE FROM accounting_minute
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM accounting_minute WHERE minute < now() - $1::double precision * interval '1 second' LIMIT $2))
