-- Proofs that the rollups are what the readings say, and rollups that are being recomputed.

CREATE TABLE verification (
    verification_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT verification_pkey PRIMARY KEY,
    started_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    scope           text NOT NULL,
    from_ts         timestamptz,
    to_ts           timestamptz,
    compared        bigint NOT NULL DEFAULT 0,
    differences     bigint NOT NULL DEFAULT 0,
    left_out        bigint NOT NULL DEFAULT 0
);
CREATE INDEX verification_started_at_idx ON verification (started_at);
COMMENT ON TABLE verification IS 'Runs that recomputed rollups from readings and compared them.';
COMMENT ON COLUMN verification.verification_id IS 'Number of the run.';
COMMENT ON COLUMN verification.started_at IS 'When it began.';
COMMENT ON COLUMN verification.finished_at IS 'When it ended; null while it runs, or when it was broken off.';
COMMENT ON COLUMN verification.scope IS 'What was compared, in words.';
COMMENT ON COLUMN verification.from_ts IS 'Start of the range; null for all that is kept.';
COMMENT ON COLUMN verification.to_ts IS 'End of the range; null for all there is.';
COMMENT ON COLUMN verification.compared IS 'Rows of rollups and readings that were compared.';
COMMENT ON COLUMN verification.differences IS 'Those that were not what the readings, or the registry, say.';
COMMENT ON COLUMN verification.left_out IS 'Rows of rollups that differed because a change of their readings was still to be followed.';

CREATE TABLE rollup_rebuild (
    rebuild_id   bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT rollup_rebuild_pkey PRIMARY KEY,
    from_ts      timestamptz NOT NULL,
    to_ts        timestamptz NOT NULL,
    done_to      timestamptz NOT NULL,
    changed      bigint NOT NULL DEFAULT 0,
    started_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz,
    CONSTRAINT rollup_rebuild_progress CHECK (from_ts <= done_to AND done_to <= to_ts)
);
COMMENT ON TABLE rollup_rebuild IS 'Rebuilds of rollups that somebody asked for, and how far they came: one that was broken off is resumed.';
COMMENT ON COLUMN rollup_rebuild.rebuild_id IS 'Number of the rebuild.';
COMMENT ON COLUMN rollup_rebuild.from_ts IS 'Start of the range, a UTC day.';
COMMENT ON COLUMN rollup_rebuild.to_ts IS 'End of the range, a UTC day.';
COMMENT ON COLUMN rollup_rebuild.done_to IS 'Up to which day all is rebuilt.';
COMMENT ON COLUMN rollup_rebuild.changed IS 'Rows of rollups that were not right and are now; where that is not known, windows refreshed.';
COMMENT ON COLUMN rollup_rebuild.started_at IS 'When it was asked for.';
COMMENT ON COLUMN rollup_rebuild.finished_at IS 'When it was done; null while it is not.';
