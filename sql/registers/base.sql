-- registers.base: the instant of the last reading of a register ($1) that was dropped
SELECT ts FROM register_base WHERE channel_id = $1
