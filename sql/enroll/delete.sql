-- enroll.delete
DELETE FROM enrollment WHERE enrollment_id = $1
