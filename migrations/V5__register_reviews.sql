-- Registers: readings that are not believed by themselves, and meters that were replaced.

CREATE TABLE review (
    review_id     bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT review_pkey PRIMARY KEY,
    uuid          uuid NOT NULL CONSTRAINT review_uuid_key UNIQUE,
    provider_id   integer NOT NULL CONSTRAINT review_provider_fkey REFERENCES provider,
    channel_id    integer NOT NULL CONSTRAINT review_channel_fkey REFERENCES channel,
    ts            timestamptz NOT NULL,
    event_key     bigint NOT NULL,
    value         bigint NOT NULL,
    kind          text NOT NULL CONSTRAINT review_kind_known CHECK (kind IN ('jump', 'decrease', 'reset')),
    trusted_ts    timestamptz NOT NULL,
    trusted_event_key bigint NOT NULL,
    trusted_value bigint NOT NULL,
    accepting     bigint NOT NULL,
    suspect       boolean NOT NULL DEFAULT true,
    repeated      boolean NOT NULL DEFAULT false,
    cleared       boolean NOT NULL DEFAULT false,
    decision      text CONSTRAINT review_decision_known CHECK (decision IN ('accepted', 'dismissed')),
    increment     bigint,
    note          text CONSTRAINT review_note_length CHECK (length(note) BETWEEN 1 AND 1024),
    key_id        integer CONSTRAINT review_key_fkey REFERENCES api_key,
    decided_at    timestamptz,
    state         text NOT NULL GENERATED ALWAYS AS (
                      CASE WHEN NOT suspect THEN 'withdrawn'
                           WHEN decision IS NOT NULL THEN decision
                           WHEN cleared THEN 'withdrawn'
                           WHEN repeated THEN 'repeated'
                           WHEN kind = 'reset' THEN 'explained'
                           ELSE 'open' END) STORED,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT review_reading_key UNIQUE (channel_id, ts, event_key),
    CONSTRAINT review_increment_accepted CHECK (increment IS NULL OR (decision IS NOT NULL AND decision = 'accepted')),
    CONSTRAINT review_decision_dated CHECK ((decision IS NULL) = (decided_at IS NULL))
);
CREATE INDEX review_open_idx ON review (provider_id, review_id) WHERE state = 'open';
CREATE INDEX review_provider_idx ON review (provider_id, review_id);
COMMENT ON TABLE review IS 'Readings of registers that do not follow from the reading before them. Open ones add nothing until somebody decides.';
COMMENT ON COLUMN review.review_id IS 'Number of the review.';
COMMENT ON COLUMN review.uuid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN review.provider_id IS 'The provider of the channel.';
COMMENT ON COLUMN review.channel_id IS 'The channel of the reading.';
COMMENT ON COLUMN review.ts IS 'The instant of the reading.';
COMMENT ON COLUMN review.event_key IS 'The event key of the reading.';
COMMENT ON COLUMN review.value IS 'The value of the reading, scaled.';
COMMENT ON COLUMN review.kind IS 'jump: faster than the metric allows; decrease: lower than before, and no rollover; reset: a decrease to zero.';
COMMENT ON COLUMN review.trusted_ts IS 'The instant of the reading that it does not follow from.';
COMMENT ON COLUMN review.trusted_event_key IS 'Its event key; the least there is where the new meter of a replacement begins.';
COMMENT ON COLUMN review.trusted_value IS 'Its value, scaled.';
COMMENT ON COLUMN review.accepting IS 'What the reading adds, scaled, when it is accepted without a number.';
COMMENT ON COLUMN review.suspect IS 'Whether the reading still does not follow from those before it; others may have come in between.';
COMMENT ON COLUMN review.repeated IS 'Whether it only repeats the suspicious value directly before it.';
COMMENT ON COLUMN review.cleared IS 'Whether the readings after it go on from the trusted one: then it was a slip.';
COMMENT ON COLUMN review.decision IS 'What somebody decided; null while nobody did.';
COMMENT ON COLUMN review.increment IS 'What an accepted reading adds, scaled, where it was given with the decision.';
COMMENT ON COLUMN review.note IS 'Why it was decided so; null when nothing was said.';
COMMENT ON COLUMN review.key_id IS 'The API key that decided; null while nobody did.';
COMMENT ON COLUMN review.decided_at IS 'When it was decided; null while it is not.';
COMMENT ON COLUMN review.state IS 'open: nobody decided yet; accepted, dismissed: somebody did; explained: a reset, which needs no decision; repeated: the decision is about the reading before; withdrawn: other readings showed since that nothing is wrong.';
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

CREATE TABLE register_rule (
    metric_id    integer NOT NULL CONSTRAINT register_rule_metric_fkey REFERENCES metric,
    until        timestamptz NOT NULL,
    rollover_at  bigint,
    max_per_hour bigint,
    CONSTRAINT register_rule_pkey PRIMARY KEY (metric_id, until)
);
COMMENT ON TABLE register_rule IS 'What register metrics said earlier. A change holds for later readings: increments of the past stay what they were.';
COMMENT ON COLUMN register_rule.metric_id IS 'The metric.';
COMMENT ON COLUMN register_rule.until IS 'Readings before this instant are judged by this rule.';
COMMENT ON COLUMN register_rule.rollover_at IS 'The metric''s rollover_at then.';
COMMENT ON COLUMN register_rule.max_per_hour IS 'The metric''s max_per_hour then.';

-- Readings may be dated ahead: those that are stored already keep their rule.
CREATE FUNCTION metric_keeps_register_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO register_rule (metric_id, until, rollover_at, max_per_hour)
    SELECT OLD.metric_id, greatest(clock_timestamp(), max(r.ts) + interval '1 microsecond'),
           OLD.rollover_at, OLD.max_per_hour
    FROM channel c
    LEFT JOIN reading r ON r.channel_id = c.channel_id AND r.ts >= statement_timestamp()
    WHERE c.metric_id = OLD.metric_id
    HAVING count(*) > 0;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION metric_keeps_register_rule() IS 'Keeps the rule of a register metric that has readings when another one takes its place.';
CREATE TRIGGER metric_keeps_register_rule AFTER UPDATE ON metric FOR EACH ROW
    WHEN (OLD.kind = 'register' AND (OLD.rollover_at, OLD.max_per_hour)
          IS DISTINCT FROM (NEW.rollover_at, NEW.max_per_hour))
    EXECUTE FUNCTION metric_keeps_register_rule();
