-- registers.replacements: of some registers ($1), oldest first
SELECT channel_id, at, final_value, initial_value FROM replacement WHERE channel_id = ANY ($1::integer[]) ORDER BY channel_id, at
