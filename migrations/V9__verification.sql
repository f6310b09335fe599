-- Proofs that the rollups are what the readings say.

CREATE TABLE verification (
    verification_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT verification_pkey PRIMARY KEY,
    started_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    scope           text NOT NULL,
    from_ts         timestamptz,
    to_ts           timestamptz,
    compared        bigint NOT NULL DEFAULT 0,
    differences     bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE verification IS 'Runs that recomputed rollups from readings and compared them.';
COMMENT ON COLUMN verification.verification_id IS 'Number of the run.';
COMMENT ON COLUMN verification.started_at IS 'When it began.';
COMMENT ON COLUMN verification.finished_at IS 'When it ended; null while it runs, or when it was broken off.';
COMMENT ON COLUMN verification.scope IS 'What was compared, in words.';
COMMENT ON COLUMN verification.from_ts IS 'Start of the range; null for all that is kept.';
COMMENT ON COLUMN verification.to_ts IS 'End of the range; null for all there is.';
COMMENT ON COLUMN verification.compared IS 'Rows of rollups that were compared.';
COMMENT ON COLUMN verification.differences IS 'Rows that were not what the readings say.';
