-- enroll.decide: approved or refused ($2)
UPDATE enrollment SET state = $2, decided_at = now() WHERE enrollment_id = $1
