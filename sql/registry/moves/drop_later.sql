-- moves.drop_later: from $2 on, what was said about these devices no longer holds
DELETE FROM assignment WHERE device_id = ANY ($1::integer[]) AND lower(during) >= $2
