-- enroll.renew: a model ($2) and a firmware ($3) that a device says anew; null for what stays
UPDATE enrollment SET model = coalesce($2, model), firmware = coalesce($3, firmware) WHERE enrollment_id = $1
