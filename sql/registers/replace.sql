-- registers.replace: nothing if the meter was replaced at that instant already
INSERT INTO replacement (uuid, channel_id, at, final_value, initial_value, note, key_id)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT ON CONSTRAINT replacement_channel_at_key DO NOTHING
