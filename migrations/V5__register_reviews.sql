-- Registers: readings that are not believed by themselves, and meters that were replaced.

CREATE TABLE review (
    review_id     bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT review_pkey PRIMARY KEY,
    uuid          uuid NOT NULL CONSTRAINT review_uuid_key UNIQUE,
    provider_id   integer NOT NULL CONSTRAINT review_provider_fkey REFERENCES provider,
    channel_id    integer NOT NULL CONSTRAINT review_channel_fkey REFERENCES channel,
    ts            timestamptz NOT NULL,
    event_key     bigint NOT NULL,
    kind          text NOT NULL CONSTRAINT review_kind_known CHECK (kind IN ('jump', 'decrease', 'reset')),
    state         text NOT NULL CONSTRAINT review_state_known
                  CHECK (state IN ('open', 'accepted', 'dismissed', 'explained', 'withdrawn')),
    value         bigint NOT NULL,
    trusted_ts    timestamptz NOT NULL,
    trusted_value bigint NOT NULL,
    increment     bigint,
    note          text CONSTRAINT review_note_length CHECK (length(note) BETWEEN 1 AND 1024),
    key_id        integer CONSTRAINT review_key_fkey REFERENCES api_key,
    decided_at    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT review_reading_key UNIQUE (channel_id, ts, event_key)
);
CREATE INDEX review_open_idx ON review (provider_id, review_id) WHERE state = 'open';
COMMENT ON TABLE review IS 'Readings of registers that do not follow from the reading before them. Open ones add nothing until somebody decides.';
COMMENT ON COLUMN review.review_id IS 'Number of the review.';
COMMENT ON COLUMN review.uuid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN review.provider_id IS 'The provider of the channel.';
COMMENT ON COLUMN review.channel_id IS 'The channel of the reading.';
COMMENT ON COLUMN review.ts IS 'The instant of the reading.';
COMMENT ON COLUMN review.event_key IS 'The event key of the reading.';
COMMENT ON COLUMN review.kind IS 'jump: faster than the metric allows; decrease: lower than before, and no rollover; reset: a decrease to zero.';
COMMENT ON COLUMN review.state IS 'open: nobody decided yet; accepted, dismissed: somebody did; explained: a reset, which needs no decision; withdrawn: other readings showed since that nothing is wrong.';
COMMENT ON COLUMN review.value IS 'The value of the reading, scaled.';
COMMENT ON COLUMN review.trusted_ts IS 'The instant of the reading that it does not follow from.';
COMMENT ON COLUMN review.trusted_value IS 'The value of that reading, scaled.';
COMMENT ON COLUMN review.increment IS 'What an accepted reading adds, scaled, where it was given with the decision; null for what follows from the values.';
COMMENT ON COLUMN review.note IS 'Why it was decided so; null when nothing was said.';
COMMENT ON COLUMN review.key_id IS 'The API key that decided; null while nobody did.';
COMMENT ON COLUMN review.decided_at IS 'When it was decided; null while it is not.';
COMMENT ON COLUMN review.created_at IS 'When the row was created.';
COMMENT ON COLUMN review.updated_at IS 'When the row last changed.';

CREATE TABLE replacement (
    replacement_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT replacement_pkey PRIMARY KEY,
    uuid           uuid NOT NULL CONSTRAINT replacement_uuid_key UNIQUE,
    channel_id     integer NOT NULL CONSTRAINT replacement_channel_fkey REFERENCES channel,
    at             timestamptz NOT NULL,
    final_value    bigint NOT NULL,
    initial_value  bigint NOT NULL,
    note           text CONSTRAINT replacement_note_length CHECK (length(note) BETWEEN 1 AND 1024),
    key_id         integer CONSTRAINT replacement_key_fkey REFERENCES api_key,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT replacement_channel_at_key UNIQUE (channel_id, at)
);
COMMENT ON TABLE replacement IS 'Meters that were replaced: where the old register ended, and where the new one began.';
COMMENT ON COLUMN replacement.replacement_id IS 'Number of the replacement.';
COMMENT ON COLUMN replacement.uuid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN replacement.channel_id IS 'The channel whose register was replaced.';
COMMENT ON COLUMN replacement.at IS 'Readings before this instant are of the old meter, those from then on of the new one.';
COMMENT ON COLUMN replacement.final_value IS 'Last value of the old meter, scaled.';
COMMENT ON COLUMN replacement.initial_value IS 'First value of the new meter, scaled.';
COMMENT ON COLUMN replacement.note IS 'What was said about it; null when nothing was.';
COMMENT ON COLUMN replacement.key_id IS 'The API key that told it; null for the command line.';
COMMENT ON COLUMN replacement.created_at IS 'When the row was created.';
