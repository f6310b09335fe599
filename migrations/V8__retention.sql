-- What was dropped because it was older than it is kept.

CREATE TABLE kept_from (
    relation   text NOT NULL CONSTRAINT kept_from_pkey PRIMARY KEY,
    since      timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE kept_from IS 'For readings and each rollup of which something was dropped: what it still holds. Nothing is ever recomputed from what lies before.';
COMMENT ON COLUMN kept_from.relation IS 'reading, or the name of a rollup.';
COMMENT ON COLUMN kept_from.since IS 'Rows from this instant on are kept; older ones are or will be dropped, and no new ones are taken.';
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
