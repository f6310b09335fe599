-- From when on readings and rollups are kept; what is older is dropped.

CREATE TABLE kept_from (
    relation       text NOT NULL CONSTRAINT kept_from_pkey PRIMARY KEY,
    since          timestamptz NOT NULL,
    dropped_before timestamptz CONSTRAINT kept_from_dropped_before_since CHECK (dropped_before <= since),
    updated_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE kept_from IS 'For readings and each rollup that is not kept for ever: what is kept of it.';
COMMENT ON COLUMN kept_from.relation IS 'reading, or the name of a rollup.';
COMMENT ON COLUMN kept_from.since IS 'Rows from this instant on are kept; older ones are or will be dropped, and no new ones are taken.';
COMMENT ON COLUMN kept_from.dropped_before IS 'All changes before this instant are in what is made from it, and from then on nothing is recomputed from there: it may be gone. Null before the first drop.';
COMMENT ON COLUMN kept_from.updated_at IS 'When it last moved.';

CREATE TABLE register_base (
    channel_id integer CONSTRAINT register_base_pkey PRIMARY KEY CONSTRAINT register_base_channel_fkey REFERENCES channel,
    ts         timestamptz NOT NULL,
    event_key  bigint NOT NULL,
    value      bigint NOT NULL
);
COMMENT ON TABLE register_base IS 'The last reading of each register that was dropped: the increment of the next one counts from it.';
COMMENT ON COLUMN register_base.channel_id IS 'The channel.';
COMMENT ON COLUMN register_base.ts IS 'The instant of the reading.';
COMMENT ON COLUMN register_base.event_key IS 'Its event key.';
COMMENT ON COLUMN register_base.value IS 'Its value, scaled.';

ALTER TABLE rollup_generation ADD COLUMN oldest_chunk timestamptz, ADD COLUMN followed_at timestamptz,
    ADD COLUMN fingerprint_around text;
COMMENT ON COLUMN rollup_generation.oldest_chunk IS 'Start of the oldest chunk of readings as the refresher last knew it: where it begins later, somebody dropped chunks. Null while there was none.';
COMMENT ON COLUMN rollup_generation.followed_at IS 'When a refresher was last done with all changes, to within an hour; null before the first time.';
COMMENT ON COLUMN rollup_generation.fingerprint_around IS 'SHA-256 of the statements that made the triggers and comments around them; null before these had one.';
