-- Which hours the rollups have yet to follow, and which rollups the database holds.

CREATE TABLE reading_change (
    hour       timestamptz NOT NULL,
    channel_id integer NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by xid8 NOT NULL DEFAULT pg_current_xact_id()
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000);
CREATE INDEX reading_change_hour_idx ON reading_change (hour);
CREATE INDEX reading_change_changed_at_idx ON reading_change (changed_at);
COMMENT ON TABLE reading_change IS 'Changes of readings that the rollups have yet to follow: written by triggers on reading, emptied by the refresher. May hold a (channel, hour) more than once.';
COMMENT ON COLUMN reading_change.hour IS 'Start of the UTC hour whose readings changed.';
COMMENT ON COLUMN reading_change.channel_id IS 'The channel whose readings changed; 0 for all channels.';
COMMENT ON COLUMN reading_change.changed_at IS 'Start of the transaction that changed them.';
COMMENT ON COLUMN reading_change.changed_by IS 'That transaction: what a snapshot saw can be deleted later without what came after it.';

CREATE TABLE rollup_generation (
    generation_id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT rollup_generation_pkey PRIMARY KEY,
    edition       text NOT NULL CONSTRAINT rollup_generation_edition_known CHECK (edition IN ('apache', 'community')),
    fingerprint   text NOT NULL,
    made_at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE rollup_generation IS 'Each time the rollups were made anew. The newest row tells what the database holds.';
COMMENT ON COLUMN rollup_generation.generation_id IS 'Number of the generation.';
COMMENT ON COLUMN rollup_generation.edition IS 'The edition of TimescaleDB they were made for.';
COMMENT ON COLUMN rollup_generation.fingerprint IS 'SHA-256 of the statements that made them.';
COMMENT ON COLUMN rollup_generation.made_at IS 'When they were made.';
