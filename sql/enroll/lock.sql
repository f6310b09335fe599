-- enroll.lock: nobody else decides about it until the transaction ends
SELECT provider_id FROM enrollment WHERE uuid = $1 AND ($2::integer IS NULL OR provider_id = $2) FOR UPDATE
