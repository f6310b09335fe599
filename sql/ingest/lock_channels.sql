-- ingest.lock_channels: one batch at a time computes increments of a register; in one order, so that none wait in a circle
SELECT channel_id FROM channel WHERE channel_id = ANY ($1::integer[]) ORDER BY channel_id FOR NO KEY UPDATE
